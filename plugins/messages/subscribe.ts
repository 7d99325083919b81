import { type Message, type Plugin, ProtocolFault, type Received, type Subscription } from '../../core/index.ts'

declare module '../../core/index.ts' {
  interface MessageTypes {
    SUBSCRIBE: SubscribeBody
  }
}

type SubscribeBody = Partial<Subscription>

/** Entries of each list. */
const MAX_ENTRIES = 100

const FOR_CLIENTS =
  'only clients subscribe; what goes to an instance is narrowed by the tags that are reachable behind it ' +
  '(tags of the peer in the configuration)'
const NOT_KEPT = 'it is in force, but may not outlast a restart of this instance; send it again'

/** Whether a message is one that is wanted. */
type Wanted = (message: Message) => boolean

/**
 * `SUBSCRIBE`: a client says what it wants of what is for it, in place of what it wanted before: these types, keys that begin
 * like one of these, messages that are targeted at one of these tags. Of a client with a name that holds while it is away.
 */
export function subscribe(): Plugin {
  return {
    name: 'subscribe',
    apply(kernel) {
      const compiled = new WeakMap<Subscription, Wanted>()
      kernel.messageType('SUBSCRIBE', {
        schema: {
          type: 'object',
          required: [],
          properties: {
            types: listOf({ pattern: '^[A-Za-z0-9._:/-]{1,64}$' }),
            keys: listOf({ minLength: 1, maxLength: 512 }),
            tags: listOf({ minLength: 1, maxLength: 64 }),
          },
        },
        async receive(received) {
          const { sender } = received
          if (sender.role === 'instance') throw new ProtocolFault('FORBIDDEN', FOR_CLIENTS)
          try {
            await kernel.subscribe(sender, subscriptionOf(received))
          } catch (error) {
            kernel.log.error('subscription not kept', { peer: sender.peer ?? sender.id, error })
            throw new ProtocolFault('STORE_UNAVAILABLE', NOT_KEPT)
          }
          const messageId = received.string('messageId')
          if (messageId === undefined) return
          const number = received.hop?.number
          sender.codec.acknowledge({ messageId, number, clusterGroupId: undefined, status: 'stored', recipients: 0 })
        },
      })
      kernel.hooks.route.tap((route, message) => {
        if (kernel.subscribers().length === 0) return route
        return route.without('subscription', ({ subscription }) => {
          return subscription !== undefined && !wantedBy(subscription, compiled)(message)
        })
      })
    },
  }
}

function listOf(item: object) {
  return { type: 'array', maxItems: MAX_ENTRIES, items: { type: 'string', ...item } } as const
}

/** Undefined when nothing is narrowed. */
function subscriptionOf({ body }: Received<SubscribeBody>): Subscription | undefined {
  const { types = [], keys = [], tags = [] } = body
  return types.length + keys.length + tags.length > 0 ? { types, keys, tags } : undefined
}

function wantedBy(subscription: Subscription, compiled: WeakMap<Subscription, Wanted>): Wanted {
  const known = compiled.get(subscription)
  if (known) return known
  const wanted = compile(subscription)
  compiled.set(subscription, wanted)
  return wanted
}

function compile({ types, keys, tags }: Subscription): Wanted {
  const tests: Wanted[] = []
  const [typeSet, tagSet] = [new Set(types), new Set(tags)]
  if (types.length > 0) tests.push(({ type }) => typeSet.has(type))
  if (tags.length > 0) tests.push(({ targetedTags }) => targetedTags.some((tag) => tagSet.has(tag)))
  if (keys.length > 0) tests.push((message) => beginsLikeOne(keyOf(message), keys))
  return (message) => tests.every((test) => test(message))
}

/** What its readers know as its key; of a type that has none, what it is ordered by. */
function keyOf({ body, orderingKey }: Message): string | undefined {
  return typeof body.key === 'string' ? body.key : orderingKey
}

function beginsLikeOne(key: string | undefined, prefixes: readonly string[]): boolean {
  return key !== undefined && prefixes.some((prefix) => key.startsWith(prefix))
}
