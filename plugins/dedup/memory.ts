import {
  type Message,
  messageKey,
  type Plugin,
  type Received,
  Recent,
  SINGLETON_GROUP,
  Stage,
} from '../../core/index.ts'

/**
 * Remembers the latest messages that were stored here, and answers their repetitions without asking the store. A hint, not
 * the truth: what it never knew or has forgotten, the store's own marks recognise.
 *
 * @param options.capacity how many messages are remembered at most
 */
export function memoryHint({ capacity = 16_384 } = {}): Plugin {
  return {
    name: 'dedup-memory',
    apply(kernel) {
      const known = new Recent<Remembered>(capacity)
      kernel.hooks.onReceive.tap(
        (received) => {
          const key = keyOf(received, kernel.settings.clusterGroupId)
          const remembered = key && known.get(key)
          if (!remembered || !isRepetition(received, remembered)) return undefined
          const { recipients, clusterGroupId } = remembered
          return { status: 'duplicate', recipients, ...(clusterGroupId !== undefined && { clusterGroupId }) }
        },
        { stage: Stage.HINT },
      )
      kernel.hooks.ack.tap((acknowledgements) => {
        for (const { message, recipients } of acknowledgements) {
          if (message) remember(known, message, recipients, kernel.instanceId)
        }
      })
    },
  }
}

interface Remembered {
  readonly fingerprint: string
  readonly publisher: string | undefined
  readonly version: string
  readonly recipients: number
  /** As its ACK bears it. */
  readonly clusterGroupId: string | undefined
}

/**
 * By its place in its origin's sequence if an instance let it in, else by the id that its publisher gave it. One without
 * an id is nobody's repetition.
 */
function keyOf(received: Received, ownGroup: string | undefined): string | undefined {
  if (!received.entersHere) return sequenceKey(received.string('originInstanceId'), received.string('originSequence'))
  const messageId = received.string('messageId')
  return messageId && messageKey({ clusterGroupId: received.string('clusterGroupId') ?? ownGroup, messageId })
}

/**
 * A place in a sequence is taken once. An id may be used again for something else, or with a greater version: that is for the
 * store to judge.
 */
function isRepetition(received: Received, { fingerprint, publisher, version }: Remembered): boolean {
  if (!received.entersHere) return true
  const isSame = publisher === received.sender.peer && fingerprint === received.fingerprint()
  return isSame && (received.string('version') ?? '') <= version
}

function remember(known: Recent<Remembered>, message: Message, recipients: number, self: string): void {
  const { originInstanceId: origin, originSequence, clusterGroupId, fingerprint, path, version = '' } = message
  const group = clusterGroupId === SINGLETON_GROUP ? undefined : clusterGroupId
  const remembered = { fingerprint, publisher: path[0], version, recipients, clusterGroupId: group }
  // What entered here is repeated by its publisher, what entered elsewhere by the instances that pass it on.
  if (origin === self) known.set(messageKey(message), remembered)
  else known.set(sequenceKey(origin, `${originSequence.epoch}.${originSequence.n}`), remembered)
}

function sequenceKey(origin: string | undefined, sequence: string | undefined): string {
  return `#${origin} ${sequence}`
}
