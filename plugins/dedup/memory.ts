import { type Message, type Plugin, type Received, SINGLETON_GROUP, Stage } from '../../core/index.ts'

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
      const known = new Map<string, Remembered>()
      kernel.hooks.onReceive.tap(
        (received) => {
          const remembered = known.get(keyOf(received))
          if (!remembered || !isRepetition(received, remembered)) return undefined
          return { status: 'duplicate', recipients: remembered.recipients }
        },
        { stage: Stage.HINT },
      )
      kernel.hooks.ack.tap((acknowledgements) => {
        for (const { message, recipients } of acknowledgements) {
          if (message) remember(known, message, recipients, kernel.instanceId, capacity)
        }
      })
    },
  }
}

interface Remembered {
  readonly fingerprint: string
  readonly publisher: string | undefined
  readonly recipients: number
}

/** By its place in its origin's sequence if an instance let it in, else by the id that its publisher gave it. */
function keyOf(received: Received): string {
  if (!received.entersHere) return sequenceKey(received.string('originInstanceId'), received.string('originSequence'))
  return idKey(received.string('clusterGroupId'), received.string('messageId'))
}

/** A place in a sequence is taken once. An id may be used again for something else: that is for the store to judge. */
function isRepetition(received: Received, { fingerprint, publisher }: Remembered): boolean {
  return !received.entersHere || (publisher === received.sender.peer && fingerprint === received.fingerprint())
}

function remember(
  known: Map<string, Remembered>,
  message: Message,
  recipients: number,
  self: string,
  capacity: number,
) {
  const { originInstanceId: origin, originSequence, clusterGroupId, messageId, fingerprint, path } = message
  const remembered = { fingerprint, publisher: path[0], recipients }
  known.set(sequenceKey(origin, `${originSequence.epoch}.${originSequence.n}`), remembered)
  if (origin === self) known.set(idKey(clusterGroupId, messageId), remembered)
  for (const oldest of known.keys()) {
    if (known.size <= capacity) return
    known.delete(oldest)
  }
}

function sequenceKey(origin: string | undefined, sequence: string | undefined): string {
  return `#${origin} ${sequence}`
}

function idKey(group: string | undefined, messageId: string | undefined): string {
  return `${group ?? SINGLETON_GROUP} ${messageId}`
}
