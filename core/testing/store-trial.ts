import assert from 'node:assert/strict'
import type { Message } from '../message.ts'
import { MAX_PRIORITY } from '../protocol/fields.ts'
import type { ReplayId, ReplayJob, ReplayOrder } from '../replay.ts'
import type {
  Attempts,
  Batch,
  DeadLetter,
  DeadLetterFilter,
  DeadLetterId,
  Death,
  LedgerRow,
  PendingLimit,
  RecipientKey,
  RecipientRecord,
  RevivedDelivery,
  Settlement,
  Store,
  StoreState,
  StoreVerdict,
} from '../store.ts'
import { ManualRuntime } from './manual-runtime.ts'
import { messageMaker } from './messages.ts'

/** Data of its own for one case of the suite. */
export interface StoreUnderTest {
  /**
   * A store over the data, not opened yet. Each call gives another instance over the same data; a store that lives in one
   * object gives that object again.
   */
  instance(): Store
  /** Removes the data. Every instance has been closed. */
  destroy(): Promise<void>
}

export interface StoreCase {
  /** What is promised. */
  readonly name: string
  /** Rejects when the promise is broken. */
  run(): Promise<void>
}

/** A case in the making: what it promises, and what must then hold of an opened store. */
export type Trying = (trial: StoreTrial) => Promise<void>

/** When recipients were last seen of whom a case says nothing else. */
export const START = Date.UTC(2026, 0, 1)
export const HOUR_MS = 60 * 60 * 1_000
export const DAY_MS = 24 * HOUR_MS
export const NO_ATTEMPTS: Attempts = Object.freeze({ sends: 0, nacks: 0, timeouts: 0, disconnects: 0 })
export const DEATH: Omit<Death, 'recipient' | 'seq'> = Object.freeze({
  reason: 'REJECTED',
  error: 'no such account',
  attempts: { sends: 4, nacks: 1, timeouts: 2, disconnects: 3 },
  plugin: 'republish',
  pluginVersion: '1.2.3',
})
export const EVERYTHING: PendingLimit = Object.freeze({ messages: 1_000, bytes: 1_000_000 })

/** A store at work, with the words in which the cases speak of it. */
export class StoreTrial {
  readonly runtime = new ManualRuntime()
  readonly message = messageMaker()
  readonly #subject: StoreUnderTest
  readonly #opened = new Set<Store>()
  readonly #keys = new Set<RecipientKey>()
  #store: Store | undefined

  constructor(subject: StoreUnderTest) {
    this.#subject = subject
  }

  get store(): Store {
    return this.#store ?? assert.fail('the case has not opened the store')
  }

  /** Opens one more instance over the data, and works on it from now on. */
  async open(instanceId?: string): Promise<StoreState> {
    const store = this.#subject.instance()
    const state = await store.open({ runtime: this.runtime, instanceId })
    this.#opened.add(store)
    this.#store = store
    return state
  }

  async reopen(instanceId?: string): Promise<StoreState> {
    await this.store.close()
    return this.open(instanceId)
  }

  async end(): Promise<void> {
    for (const store of this.#opened) await store.close()
    await this.#subject.destroy()
  }

  async recipient(name: string, record: Partial<RecipientRecord> = {}): Promise<RecipientKey> {
    const key = await this.store.saveRecipient({
      name,
      role: 'instance',
      tags: [],
      clusterGroupId: undefined,
      url: undefined,
      lastSeenAt: START,
      ...record,
    })
    this.#keys.add(key)
    return key
  }

  /** Writes a batch of which only some parts are filled. */
  batch(parts: Partial<Batch>): Promise<readonly StoreVerdict[]> {
    return this.store.write({ entries: [], settlements: [], retries: [], deaths: [], ...parts })
  }

  write(messages: readonly Message[], recipients: readonly RecipientKey[] = []): Promise<readonly StoreVerdict[]> {
    return this.batch({ entries: messages.map((message) => ({ message, recipients })) })
  }

  async writeOne(message: Message, recipients: readonly RecipientKey[] = []): Promise<StoreVerdict> {
    const [verdict] = await this.write([message], recipients)
    return verdict ?? assert.fail('no verdict')
  }

  /** Writes messages that are new; resolves to their places. */
  async stored(messages: readonly Message[], recipients: readonly RecipientKey[] = []): Promise<readonly number[]> {
    const verdicts = await this.write(messages, recipients)
    return verdicts.map((verdict) => (verdict.status === 'stored' ? verdict.seq : assert.fail(verdict.status)))
  }

  async settle(...settlements: readonly Settlement[]): Promise<void> {
    await this.batch({ settlements })
  }

  death(delivery: Settlement, death: Partial<Death> = {}): Death {
    return { ...DEATH, ...delivery, ...death }
  }

  /** Gives deliveries up, all for the same reason. */
  async die(deliveries: readonly Settlement[], death: Partial<Death> = {}): Promise<void> {
    await this.batch({ deaths: deliveries.map((delivery) => this.death(delivery, death)) })
  }

  /** Selects these dead letters, or all that match, for a replay job of its own. */
  async freeze(wish: readonly DeadLetterId[] | DeadLetterFilter = {}, order: Partial<ReplayOrder> = {}) {
    const filter = 'length' in wish ? { ids: wish } : wish
    const given = { by: 'operator', filter, perSecond: 100, limit: 1_000, maxFailures: () => 10, ...order }
    return this.store.createReplay(given)
  }

  /** Revives the next ones of a job, oldest first. */
  async step(replay: ReplayId, limit = 1_000): Promise<readonly RevivedDelivery[]> {
    const selected = await this.store.replaySelection(replay, limit)
    return this.store.reviveDeadLetters(
      replay,
      selected.map(({ id }) => id),
    )
  }

  /** Makes deliveries of these dead letters again. */
  async revive(ids: readonly DeadLetterId[]): Promise<readonly RevivedDelivery[]> {
    const { job } = await this.freeze(ids)
    return this.step(job.id)
  }

  async replay(id: ReplayId): Promise<ReplayJob> {
    return (await this.store.replayJob(id)) ?? assert.fail(`job ${id} is not remembered`)
  }

  /** All dead letters that match. */
  async dead(filter: DeadLetterFilter = {}): Promise<readonly DeadLetter[]> {
    const { items } = await this.store.deadLetters(filter, { limit: 1_000 })
    return items
  }

  /** What the ledger says of a recipient. Checked: all sums hold, and as much is pending as can be read. */
  async sums(name: string): Promise<Omit<LedgerRow, 'recipient' | 'oldestPendingAt'>> {
    const rows = this.store.ledger()
    let counted = 0
    for (const { recipient, targeted, acked, pending, dead, collapsed, forgotten } of rows) {
      assert.equal(targeted, acked + pending + dead + collapsed + forgotten, `the sums of ${recipient}`)
      counted += pending
    }
    assert.equal(counted, await this.#readable(), 'as much is pending as can be read')
    assert.equal(counted, this.store.statistics().pending)
    const row = rows.find(({ recipient }) => recipient === name) ?? assert.fail(`${name} has no sums`)
    const { recipient, oldestPendingAt, ...sums } = row
    return sums
  }

  /** Ids of the messages that wait for the recipient, in the order in which they are given. */
  async waiting(recipient: RecipientKey, after = 0, limit: Partial<PendingLimit> = {}): Promise<readonly string[]> {
    const places = Array.from({ length: MAX_PRIORITY + 1 }, () => after)
    const deliveries = await this.store.pending(recipient, places, { ...EVERYTHING, ...limit })
    return deliveries.map(({ message }) => message.messageId)
  }

  /** How many deliveries wait for all who were ever saved. */
  async #readable(): Promise<number> {
    let count = 0
    for (const key of this.#keys) count += (await this.waiting(key)).length
    return count
  }
}

/** Cases that each run on fresh data. */
export function storeCases(makeStore: () => StoreUnderTest, tries: Readonly<Record<string, Trying>>): StoreCase[] {
  return Object.entries(tries).map(([name, attempt]) => ({
    name,
    async run() {
      const trial = new StoreTrial(makeStore())
      try {
        await attempt(trial)
      } finally {
        await trial.end()
      }
    },
  }))
}
