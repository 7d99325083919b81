import {
  type Batch,
  type Collapsed,
  DEFAULT_PRIORITY,
  type DeadLetterFilter,
  type DeadLetterId,
  type DeadLetterList,
  type DeadLetterPage,
  type Death,
  type DueMessages,
  type Entry,
  type Execution,
  type ExecutionClaim,
  type ExecutionEnding,
  type FrozenReplay,
  type LanePlaces,
  type LedgerRow,
  type Message,
  type PendingDelivery,
  type PendingLimit,
  type Plugin,
  PUBLISHER_IDS,
  type Purged,
  type PurgeLimits,
  type RecipientKey,
  type RecipientRecord,
  type ReplayEnding,
  type ReplayId,
  type ReplayJob,
  type ReplayOrder,
  type RevivedDelivery,
  type ScheduledKey,
  type ScheduledMessage,
  type SelectedLetter,
  type Settlement,
  type Shed,
  type Spaces,
  type Store,
  type StoreContext,
  type StoreState,
  type StoreStatistics,
  type StoreVerdict,
  slipstreamError,
  VERSION,
  type Weighed,
} from '../../core/index.ts'
import { Accounts } from './memory/accounts.ts'
import { type Grave, KeptDeadLetters } from './memory/dead-letters.ts'
import { KeptExecutions } from './memory/executions.ts'
import { KeptMessages } from './memory/messages.ts'
import { NO_ATTEMPTS, type Waiting } from './memory/queue.ts'
import { KeptRecipients } from './memory/recipients.ts'
import { KeptReplays } from './memory/replays.ts'
import { KeptSchedule } from './memory/schedule.ts'
import { type RememberOptions, rememberMs, rememberSchema } from './repetition.ts'
import { type Shelf, type Shelved, Sweep } from './sweep.ts'

/**
 * Keeps messages in memory until the process ends: for tests, trials and the simulator. What it acknowledges does not
 * survive a restart.
 */
export function memory(options: RememberOptions = {}): Plugin {
  return {
    name: 'store-memory',
    options,
    optionsSchema: { type: 'object', properties: rememberSchema, additionalProperties: false },
    apply(kernel) {
      kernel.windows.remembers(PUBLISHER_IDS, rememberMs(options), 'rememberIdsHours')
      kernel.store(new MemoryStore(options))
    },
  }
}

/** The contract of a store over plain maps. What it holds survives `close`: the same object can be opened again. */
export class MemoryStore implements Store {
  readonly name = 'memory'
  readonly #messages: KeptMessages
  readonly #schedule = new KeptSchedule()
  readonly #accounts = new Accounts()
  readonly #recipients = new KeptRecipients(this.#accounts, (seq) => this.#messages.at(seq).orderingKey)
  readonly #deadLetters = new KeptDeadLetters({
    message: (seq) => this.#messages.at(seq),
    name: (key) => this.#accounts.of(key).name,
  })
  readonly #replays = new KeptReplays(this.#deadLetters)
  readonly #executions = new KeptExecutions()
  /** The backlog that is being collapsed. */
  #sweep: { readonly recipient: RecipientKey; readonly sweep: Sweep } | undefined
  #context: StoreContext | undefined
  #identity: { readonly instanceId: string; readonly epoch: string } | undefined
  #lastSequence = 0
  #lastVersion: string | undefined
  /** Deliveries that were forgotten with their recipients since it was opened. */
  #forgotten = 0

  constructor(options: RememberOptions = {}) {
    this.#messages = new KeptMessages(rememberMs(options))
  }

  async open(context: StoreContext): Promise<StoreState> {
    const { runtime, instanceId: wish } = context
    if (this.#context) throw slipstreamError('SLP_STORE_IN_USE', ['This store in memory'])
    const identity = this.#identity ?? { instanceId: wish ?? runtime.id(), epoch: runtime.id() }
    const { instanceId } = identity
    if (wish !== undefined && wish !== instanceId) throw slipstreamError('SLP_INSTANCE_ID_CHANGED', [instanceId, wish])
    this.#identity = identity
    this.#context = context
    this.#forgotten = 0
    return {
      ...identity,
      lastSequence: this.#lastSequence,
      lastVersion: this.#lastVersion,
      recipients: this.#recipients.all(),
    }
  }

  async write({ entries, settlements, retries, deaths, lastVersion }: Batch): Promise<readonly StoreVerdict[]> {
    const now = this.#now()
    if (lastVersion !== undefined && lastVersion > (this.#lastVersion ?? '')) this.#lastVersion = lastVersion
    for (const settlement of settlements) this.#settle(settlement)
    for (const death of deaths) this.#bury(death, now)
    for (const retry of retries) this.#recipients.note(retry)
    return entries.map((entry) => this.#store(entry, now))
  }

  async pending(recipient: RecipientKey, after: LanePlaces, limit: PendingLimit): Promise<readonly PendingDelivery[]> {
    this.#opened()
    const deliveries: PendingDelivery[] = []
    let bytes = 0
    for (const [seq, waiting] of this.#recipients.queueOf(recipient).behind(after)) {
      bytes += Buffer.byteLength(this.#messages.at(seq).text)
      if (deliveries.length > 0 && bytes > limit.bytes) break
      deliveries.push(this.#delivery(seq, waiting))
      if (deliveries.length >= limit.messages) break
    }
    return deliveries
  }

  async recall(recipient: RecipientKey, seqs: readonly number[]): Promise<readonly PendingDelivery[]> {
    this.#opened()
    const deliveries: PendingDelivery[] = []
    for (const seq of [...new Set(seqs)].sort((one, other) => one - other)) {
      const waiting = this.#recipients.queueOf(recipient).get(seq)
      if (waiting) deliveries.push(this.#delivery(seq, waiting))
    }
    return deliveries
  }

  async scheduled(dueBy: number, limit: PendingLimit, after?: ScheduledMessage): Promise<DueMessages> {
    this.#opened()
    return this.#schedule.due(dueBy, limit, after)
  }

  async saveRecipient(recipient: RecipientRecord): Promise<RecipientKey> {
    this.#opened()
    return this.#recipients.save(recipient)
  }

  async noteSeen(recipients: readonly RecipientKey[], at: number): Promise<void> {
    this.#opened()
    for (const key of recipients) this.#recipients.noteSeen(key, at)
  }

  async renameRecipient(from: string, to: string): Promise<{ readonly key: RecipientKey; readonly pending: number }> {
    this.#opened()
    const { key, gone } = this.#recipients.rename(from, to, (seq) => this.#messages.at(seq).path.includes(to))
    if (gone !== undefined) this.#deadLetters.move(gone, key)
    this.#closeAccounts()
    return { key, pending: this.#recipients.queueOf(key).size }
  }

  async forgetRecipient(recipient: RecipientKey): Promise<void> {
    this.#summarize(recipient, this.#recipients.forget(recipient))
    this.#closeAccounts()
  }

  async forgetBacklog(recipient: RecipientKey): Promise<number> {
    this.#opened()
    const count = this.#recipients.forgetBacklog(recipient)
    this.#summarize(recipient, count)
    return count
  }

  async collapse(recipient: RecipientKey, spaces: Spaces, limit: number): Promise<Collapsed> {
    this.#opened()
    if (this.#sweep?.recipient !== recipient) this.#sweep = { recipient, sweep: new Sweep() }
    const step = this.#sweep.sweep.step(this.#shelf(recipient), spaces, limit)
    if (step.done) this.#sweep = undefined
    return { ...step, pending: this.#recipients.queueOf(recipient).size }
  }

  async weigh(recipient: RecipientKey, after: number, limit: number): Promise<Weighed | undefined> {
    this.#opened()
    const weighed = this.#shelf(recipient).read(after, limit)
    const last = weighed.at(-1)?.seq
    if (last === undefined) return undefined
    return { bytes: weighed.reduce((sum, { text = '' }) => sum + Buffer.byteLength(text), 0), last }
  }

  async shed(limit: number): Promise<Shed> {
    this.#opened()
    const texts = this.#messages.shed(limit, this.#held())
    return { texts, done: texts < limit }
  }

  async deadLetters(filter: DeadLetterFilter, page: DeadLetterPage): Promise<DeadLetterList> {
    this.#opened()
    return this.#deadLetters.list(filter, page)
  }

  async deadLetterText(id: DeadLetterId): Promise<string | undefined> {
    this.#opened()
    const { seq } = this.#deadLetters.at(id) ?? {}
    return seq === undefined ? undefined : this.#messages.at(seq).text
  }

  async createReplay(order: ReplayOrder): Promise<FrozenReplay> {
    return this.#replays.create(order, this.#now())
  }

  async replaySelection(replay: ReplayId, limit: number): Promise<readonly SelectedLetter[]> {
    this.#opened()
    return this.#replays.selection(replay).slice(0, limit)
  }

  async reviveDeadLetters(replay: ReplayId, ids: readonly DeadLetterId[]): Promise<readonly RevivedDelivery[]> {
    const now = this.#now()
    if (!this.#replays.goesOn(replay)) return []
    const chosen = this.#replays.selection(replay).filter(({ id }) => ids.includes(id))
    const revived = chosen.flatMap((letter) => this.#revive(letter, replay) ?? [])
    this.#replays.advance(replay, { replayed: revived.length, skipped: chosen.length - revived.length }, now)
    return revived
  }

  async endReplay(replay: ReplayId, ending: ReplayEnding): Promise<void> {
    this.#replays.end(replay, ending, this.#now())
  }

  async replays(): Promise<readonly ReplayJob[]> {
    this.#opened()
    return this.#replays.all()
  }

  async replayJob(replay: ReplayId): Promise<ReplayJob | undefined> {
    this.#opened()
    return this.#replays.at(replay)
  }

  async discardDeadLetters(ids: readonly DeadLetterId[]): Promise<number> {
    this.#opened()
    const discarded = this.#deadLetters.remove(ids)
    this.#closeAccounts()
    return discarded
  }

  async claimExecutions(claims: readonly ExecutionClaim[]): Promise<readonly (Execution | undefined)[]> {
    return this.#executions.claim(claims, this.#now())
  }

  async finishExecution(messageId: string, ending: ExecutionEnding): Promise<void> {
    this.#executions.finish(messageId, ending, this.#now())
  }

  async interruptExecutions(ending: ExecutionEnding): Promise<readonly Execution[]> {
    return this.#executions.interrupt(ending, this.#now())
  }

  async execution(messageId: string): Promise<Execution | undefined> {
    this.#opened()
    return this.#executions.find(messageId)
  }

  async forgetExecutions(finishedBefore: number, limit: number): Promise<number> {
    this.#opened()
    return this.#executions.forget(finishedBefore, limit)
  }

  async purge({ settledBefore, deadBefore, limit }: PurgeLimits): Promise<Purged> {
    const now = this.#now()
    const deadLetters = this.#deadLetters.remove(this.#deadLetters.diedBefore(deadBefore, limit))
    this.#closeAccounts()
    return { messages: this.#messages.purge(settledBefore, limit, this.#held(), now), deadLetters, deliveries: 0 }
  }

  ledger(): readonly LedgerRow[] {
    this.#opened()
    return this.#accounts.rows((key) => {
      const oldest = this.#recipients.oldest(key)
      const oldestPendingAt = oldest === undefined ? undefined : this.#messages.at(oldest).receivedAt
      return { pending: this.#recipients.queueOf(key).size, oldestPendingAt }
    })
  }

  statistics(): StoreStatistics {
    const { size: messages, bytes } = this.#messages
    const { size: scheduled } = this.#schedule
    const waiting = { pending: this.#recipients.pending, dead: this.#deadLetters.size, scheduled }
    const givenUp = { INTEGRITY: 0, RECIPIENT_FORGOTTEN: this.#forgotten }
    const all = bytes + this.#schedule.bytes
    return { messages, ...waiting, bytes: all, usedBytes: all, capacityBytes: undefined, givenUp }
  }

  async close(): Promise<void> {
    this.#context = undefined
  }

  #opened(): StoreContext {
    if (!this.#context) throw slipstreamError('SLP_STORE_FAILED', ['it is not open'])
    return this.#context
  }

  #now(): number {
    return this.#opened().runtime.now()
  }

  #store(entry: Entry, now: number): StoreVerdict {
    const { message } = entry
    if (message.scheduledFor !== undefined) return this.#postpone(entry, message.scheduledFor, now)
    const verdict = this.#judge(entry, now) ?? this.#keep(entry, now)
    const { originInstanceId, originSequence } = message
    const own = originInstanceId === this.#identity?.instanceId && originSequence.epoch === this.#identity.epoch
    const isFree = verdict.status === 'conflict' || verdict.status === 'rejected'
    if (own && !isFree) this.#lastSequence = Math.max(this.#lastSequence, originSequence.n)
    return verdict
  }

  #postpone({ message, recipients }: Entry, dueAt: number, now: number): StoreVerdict {
    const verdict = this.#messages.judgeId(message, now) ?? this.#schedule.judge(message)
    if (verdict) return verdict
    this.#schedule.add(message, dueAt, recipients.length)
    return { status: 'scheduled' }
  }

  #settle({ recipient, seq, superseded }: Settlement): void {
    const settled = this.#recipients.remove(recipient, seq, 'acked')
    if (superseded && settled?.replay !== undefined) this.#replays.countSuperseded(settled.replay)
  }

  /** What a message is that is known already; undefined: it is new. */
  #judge(entry: Entry, now: number): StoreVerdict | undefined {
    const { message, releases } = entry
    const verdict = this.#messages.judgePlace(message)
    return verdict ?? (releases === undefined ? this.#judgeId(entry, now) : this.#judgeRelease(message, releases))
  }

  #judgeId(entry: Entry, now: number): StoreVerdict | undefined {
    const { message } = entry
    const held = this.#schedule.judge(message)
    const verdict = this.#messages.judgeId(message, now) ?? held
    if (verdict?.status !== 'duplicate') return verdict
    if (!held && this.#messages.isLift(entry)) return this.#lift(entry, verdict.recipients, now)
    this.#messages.takePlace(message, verdict.recipients)
    return verdict
  }

  #judgeRelease(message: Message, key: ScheduledKey): StoreVerdict | undefined {
    if (this.#schedule.has(key)) return undefined
    return { status: 'duplicate', recipients: this.#messages.recipientsOf(message) }
  }

  #keep({ message, recipients, releases }: Entry, now: number): StoreVerdict {
    const rejected = this.#rejects(recipients)
    if (rejected) return rejected
    const seq = this.#messages.add(message, recipients.length, now)
    if (releases !== undefined) this.#schedule.remove(releases)
    return { status: 'stored', seq, ...this.#deliver(seq, message, recipients) }
  }

  #lift({ message, lifts = [] }: Entry, recipients: number, now: number): StoreVerdict {
    const rejected = this.#rejects(lifts)
    if (rejected) return rejected
    const seq = this.#messages.add(message, recipients, now)
    return { status: 'lifted', seq, ...this.#deliver(seq, message, lifts), recipients }
  }

  #rejects(recipients: readonly RecipientKey[]): StoreVerdict | undefined {
    const wrong = recipients.find((key, index) => !this.#recipients.has(key) || recipients.indexOf(key) !== index)
    return wrong === undefined
      ? undefined
      : { status: 'rejected', reason: `recipient ${wrong} is unknown or named twice` }
  }

  /** Tells the lanes of the deliveries, where they are not that of the default priority. */
  #deliver(seq: number, { priority }: Message, recipients: readonly RecipientKey[]) {
    const lanes = new Map<RecipientKey, number>()
    for (const key of recipients) {
      const { lane } = this.#recipients.deliver(key, seq, priority)
      if (lane !== DEFAULT_PRIORITY) lanes.set(key, lane)
    }
    return lanes.size > 0 ? { lanes } : {}
  }

  #delivery(seq: number, { lane, attempts, dueAt }: Waiting): PendingDelivery {
    return { seq, lane, message: this.#messages.at(seq), attempts, dueAt }
  }

  #bury(death: Death, diedAt: number): void {
    const { recipient, seq } = death
    const delivery = this.#recipients.remove(recipient, seq, 'dead')
    if (!delivery) return
    if (delivery.replay !== undefined) this.#replays.countFailure(delivery.replay)
    this.#deadLetters.add({ ...death, lane: delivery.lane, diedAt, count: 1 })
  }

  /** What waits for a recipient, to be collapsed. */
  #shelf(recipient: RecipientKey): Shelf {
    const waiting = (seq: number): Shelved => this.#messages.at(seq)
    return {
      last: () => [...this.#recipients.queueOf(recipient).places].at(-1) ?? 0,
      read: (after, limit) =>
        [...this.#recipients.queueOf(recipient).places]
          .filter((seq) => seq > after)
          .slice(0, limit)
          .map(waiting),
      at: (seq) => (this.#recipients.queueOf(recipient).get(seq) ? waiting(seq) : undefined),
      remove: (seq) => this.#recipients.remove(recipient, seq, 'collapsed'),
    }
  }

  /** Leaves one dead letter for all that was forgotten with a recipient. */
  #summarize(recipient: RecipientKey, count: number): void {
    if (count > 0) this.#deadLetters.add(summaryOf(recipient, count, this.#now()))
    this.#forgotten += count
  }

  #revive({ id, recipient, seq }: SelectedLetter, replay: ReplayId): RevivedDelivery | undefined {
    if (seq === undefined || !this.#recipients.has(recipient)) {
      this.#deadLetters.release([id])
      return undefined
    }
    const { lane } = this.#deadLetters.at(id) as Grave
    this.#deadLetters.remove([id])
    const waiting = this.#recipients.revive(recipient, seq, lane, replay)
    return waiting && { recipient, ...this.#delivery(seq, waiting) }
  }

  /** Places of the messages that are still needed. */
  #held(): ReadonlySet<number> {
    const held = new Set<number>()
    for (const { key } of this.#recipients.all()) {
      for (const seq of this.#recipients.queueOf(key).places) held.add(seq)
    }
    for (const { seq } of this.#deadLetters.all) if (seq !== undefined) held.add(seq)
    return held
  }

  /** A forgotten recipient is counted as long as it has dead letters. */
  #closeAccounts(): void {
    const needed = new Set([...this.#deadLetters.all].map(({ recipient }) => recipient))
    this.#accounts.close((key) => needed.has(key) || this.#recipients.has(key))
  }
}

function summaryOf(recipient: RecipientKey, count: number, diedAt: number): Grave {
  return {
    recipient,
    seq: undefined,
    lane: DEFAULT_PRIORITY,
    reason: 'RECIPIENT_FORGOTTEN',
    error: 'The recipient was forgotten with all that waited for it.',
    attempts: NO_ATTEMPTS,
    plugin: 'store-memory',
    pluginVersion: VERSION,
    diedAt,
    count,
  }
}
