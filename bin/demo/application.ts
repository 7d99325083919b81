import { setTimeout as delay } from 'node:timers/promises'
import { SlipstreamError } from '../../core/errors.ts'
import { type Client, connect } from '../client.ts'
import { type Frame, writeFrame } from '../frame.ts'
import type { Ledger } from './ledger.ts'

const MAX_UNANSWERED = 64
const ANSWER_TIMEOUT_MS = 10_000
const TRY_AGAIN_MS = 100
const LATENCIES_KEPT = 512

export interface Draft {
  readonly id: string
  readonly type: string
  readonly key: string
  /** JSON text. */
  readonly value: string
  /** The region that it is for; undefined: all of them. */
  readonly target: string | undefined
}

/**
 * The application of one region, as a user of the bus would write it: it publishes until it has an acknowledgement, with
 * the same id each time, acknowledges what it received, and comes back under its name when its instance does.
 */
export class Application {
  readonly region: string
  readonly #url: string
  readonly #others: readonly string[]
  readonly #ledger: Ledger
  readonly #latencies: number[] = []
  readonly #unanswered = new Set<Promise<void>>()
  #client: Client | undefined
  #connections = 0
  #stopped = false
  /** While true, how long messages were on their way is not noted: they waited for this region. */
  catchingUp = false

  constructor(region: string, url: string, others: readonly string[], ledger: Ledger) {
    this.region = region
    this.#url = url
    this.#others = others
    this.#ledger = ledger
  }

  get connected(): boolean {
    return this.#client !== undefined
  }

  /** Stays connected until `stop`. Rejects only for what no repetition mends. */
  async run(): Promise<void> {
    while (!this.#stopped) {
      try {
        await this.#session()
      } catch (error) {
        if (!isPassing(error)) throw error
        await delay(TRY_AGAIN_MS)
      }
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#client?.close()
  }

  /** Publishes, unless the region is down or has too many answers due. */
  publish(draft: Draft): void {
    if (!this.#client || this.#unanswered.size >= MAX_UNANSWERED) return
    const { id, target } = draft
    this.#ledger.published(id, this.region, target === undefined ? this.#others : [target], performance.now())
    const answered = this.#untilAnswered(draft).finally(() => this.#unanswered.delete(answered))
    this.#unanswered.add(answered)
  }

  /** Milliseconds below which that share of the last messages stayed; undefined before the first. */
  latency(share: number): number | undefined {
    const sorted = this.#latencies.toSorted((one, other) => one - other)
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
  }

  async #session(): Promise<void> {
    const connection = ++this.#connections
    const client = await connect({
      url: this.#url,
      name: `app-${this.region}`,
      tags: [this.region],
      onMessage: (message, from) => this.#receive(message, from, connection),
    })
    this.#client = client
    if (this.#stopped) void client.close()
    try {
      await client.closed
    } finally {
      this.#client = undefined
    }
  }

  #receive({ messageId = '' }: Frame, client: Client, connection: number): void {
    const milliseconds = this.#ledger.received(messageId, this.region, connection, performance.now())
    client.acknowledge(messageId)
    if (milliseconds === undefined || this.catchingUp) return
    this.#latencies.push(milliseconds)
    if (this.#latencies.length > LATENCIES_KEPT) this.#latencies.shift()
  }

  async #untilAnswered(draft: Draft): Promise<void> {
    const { id: messageId, target } = draft
    const frame = writeFrame({ ...draft, messageId, targetedTags: target === undefined ? [] : [target] })
    while (!this.#stopped) {
      if (await this.#answer(messageId, frame)) return
      this.#ledger.repeated(messageId)
      await delay(TRY_AGAIN_MS)
    }
  }

  async #answer(messageId: string, frame: string): Promise<boolean> {
    try {
      const answer = await this.#client?.publish(messageId, frame, ANSWER_TIMEOUT_MS)
      if (answer?.type === 'ACK') this.#ledger.acknowledged(messageId)
      return answer?.type === 'ACK'
    } catch (error) {
      if (isPassing(error)) return false
      throw error
    }
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof SlipstreamError && (error.code === 'SLP_UNREACHABLE' || error.code === 'SLP_UNACKNOWLEDGED')
}
