/**
 * A receiver as a process of its own: handles each message that it is told of, beside others of its kind, until all are
 * handled, and notes in a file that they share what it did. One at a time, so that its death cuts off one at most.
 */
import { appendFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { redis, SlipstreamDeduplicator, sqlite } from 'slipstream/dedup'
import { Random } from '../../simulation/random.ts'

/** What it is told, as JSON in its first argument. */
export interface ReceiverOrder {
  readonly backend: { readonly redis: string } | { readonly sqlite: string }
  readonly leaseMs: number
  readonly messages: number
  readonly seed: number
  /** The file of notes. */
  readonly notes: string
}

/** A line of the notes. `unconfirmed`: it was handled, and that could not be remembered. */
export interface Note {
  readonly what: 'claimed' | 'handled' | 'confirmed' | 'unconfirmed'
  readonly messageId: string
  readonly token: number
  readonly pid: number
}

const MAX_HANDLING_MS = 20
const BETWEEN_ROUNDS_MS = 50

const order = JSON.parse(process.argv[2] as string) as ReceiverOrder
const random = new Random(order.seed)
const backend = 'redis' in order.backend ? redis({ url: order.backend.redis }) : sqlite({ path: order.backend.sqlite })
const dedup = new SlipstreamDeduplicator({ backend, leaseMs: order.leaseMs })

let left = Array.from({ length: order.messages }, (_, n) => ({ messageId: `m-${n}`, place: random.next() }))
  .sort((one, other) => one.place - other.place)
  .map(({ messageId }) => messageId)
while (left.length > 0) {
  const again: string[] = []
  for (const messageId of left) if (!(await isHandled(messageId))) again.push(messageId)
  left = again
  if (left.length > 0) await pause(BETWEEN_ROUNDS_MS)
}
await dedup.close()

async function isHandled(messageId: string): Promise<boolean> {
  let last: Pick<Note, 'what' | 'token'> | undefined
  const note = (what: Note['what'], token: number) => {
    last = { what, token }
    appendFileSync(order.notes, `${JSON.stringify({ what, messageId, token, pid: process.pid })}\n`)
  }
  try {
    const outcome = await dedup.once({ messageId, clusterGroupId: 'eu' }, async (_, token) => {
      note('claimed', token)
      await pause(random.integer(0, MAX_HANDLING_MS))
      note('handled', token)
    })
    if (outcome === 'processed' && last) note('confirmed', last.token)
    return outcome !== 'busy'
  } catch {
    // As a receiver does that does not acknowledge: the message comes again.
    if (last?.what === 'handled') note('unconfirmed', last.token)
    return false
  }
}
