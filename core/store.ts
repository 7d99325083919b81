import type { Execution, ExecutionClaim, ExecutionEnding } from './execution.ts'
import type { FrozenReplay, ReplayEnding, ReplayId, ReplayJob, ReplayOrder, SelectedLetter } from './replay.ts'
import type {
  Batch,
  Collapsed,
  DeadLetterFilter,
  DeadLetterId,
  DeadLetterList,
  DeadLetterPage,
  DueMessages,
  LanePlaces,
  LedgerRow,
  PendingDelivery,
  PendingLimit,
  Purged,
  PurgeLimits,
  RecipientKey,
  RecipientRecord,
  RevivedDelivery,
  ScheduledMessage,
  Shed,
  Spaces,
  StoreContext,
  StoreState,
  StoreStatistics,
  StoreVerdict,
  Weighed,
} from './store-records.ts'

export type * from './store-records.ts'

/**
 * What a store author writes; the kernel turns it into hooks, so the author never sees one. Every sentence here is a test
 * of the conformance suite in `slipstream/testing`.
 *
 * A store is one writer's: a second instance that opens the same data is refused with `SLP_STORE_IN_USE`.
 */
export interface Store {
  readonly name: string
  /** Whether it joins what entries say of the state: where that is kept beside the messages. Default: it does not. */
  readonly joinsState?: boolean

  /**
   * Opens or creates the data and migrates it. Resolves to what must be known before the first socket opens.
   * The instance id is drawn once and kept; a wish that contradicts it is refused with `SLP_INSTANCE_ID_CHANGED`.
   */
  open(context: StoreContext): Promise<StoreState>

  /**
   * Writes a batch in one transaction: for each entry the message, its deduplication marks and one delivery per
   * recipient; what became of the failed deliveries; and the settled and dead ones leave the backlog, dead ones as dead
   * letters. Resolves to one verdict per entry, in order, once everything would survive a power cut. A settlement, retry or
   * death of a delivery that is not pending (any more) changes nothing.
   *
   * A message is known already, and thus a `duplicate`, when its (originInstanceId, originSequence) was stored before,
   * however long ago, or its (clusterGroupId, messageId) within the last 24 hours, unless it is configured otherwise. Of the latter, one with another
   * fingerprint or another named publisher is a `conflict` and stored nowhere. An entry that cannot be written by itself
   * is `rejected`, and the others of the batch are not held up by it.
   *
   * A duplicate by its id whose version is greater than that of the newest message of the id is `lifted`, if its entry says
   * for whom it is then: it is stored with deliveries to these, and takes the id, its memory beginning anew. One that has no
   * version, or none greater, remains a duplicate; so does one whose id a scheduled message holds.
   *
   * An entry that `joins` something has a recipient that is done with it as soon as it is joined into the state. A store that
   * `joinsState` does both in the one transaction: the delivery is counted as targeted and acked, and `joined` says what became of
   * the write. When that fails, and any other store does so always, the delivery waits as every other one.
   *
   * A message with `scheduledFor` is `scheduled`: it is kept without a place and without deliveries, and its id is known
   * from now on for as long as it is kept. An entry that `releases` it takes its stead in the same transaction: it is stored
   * whatever its id, which is remembered for as long again; when the scheduled one is gone, it is a `duplicate`.
   *
   * A delivery waits in the lane of its message's priority; but when deliveries of the same ordering key wait for that
   * recipient in a lower one, in the lowest of these. So a key is never reordered.
   *
   * A rejected promise is indeterminate: everything or nothing of the batch may be on disk. Nobody may be told either;
   * writing the same batch again leaves each message stored once. `SLP_STORE_FAILED` may pass (a full disk);
   * after `SLP_STORE_LOST` (a failed sync, a corrupt file) the store writes nothing more until it is opened anew.
   */
  write(batch: Batch): Promise<readonly StoreVerdict[]>

  /**
   * Deliveries of a recipient that are not settled, all of one moment: those of a higher lane before those of a lower one,
   * within a lane the oldest first, and of each lane those whose `seq` is greater than what `after` says for it. As many as
   * fit into `limit`, but one at least when there is any. One whose message was altered on disk is never given; it becomes
   * a dead letter `INTEGRITY`.
   */
  pending(recipient: RecipientKey, after: LanePlaces, limit: PendingLimit): Promise<readonly PendingDelivery[]>

  /**
   * Those of these deliveries of a recipient that are still not settled, each once, oldest first. How many are asked for
   * is the caller's to bound. Altered messages are treated as by `pending`.
   */
  recall(recipient: RecipientKey, seqs: readonly number[]): Promise<readonly PendingDelivery[]>

  /**
   * Scheduled messages that are due at `dueBy` or before and stand behind `after`, the earliest first, those of one time in
   * the order in which they were accepted; as many as fit into `limit`, but one at least when there is any. And when the
   * first one behind `dueBy` is due. One that was altered on disk is never given: it is set aside until it is purged with the
   * dead letters of its time, counts no longer as scheduled, and its id is free for its publisher to send it again.
   */
  scheduled(dueBy: number, limit: PendingLimit, after?: ScheduledMessage): Promise<DueMessages>

  /**
   * Remembers a recipient, or what is new about it. Resolves to its key, which stays the same as long as its name is
   * known.
   */
  saveRecipient(recipient: RecipientRecord): Promise<RecipientKey>

  /** Takes note that these recipients were linked at that time. A key that is not known (any more) changes nothing. */
  noteSeen(recipients: readonly RecipientKey[], at: number): Promise<void>

  /**
   * Gives the recipient `from` the name `to`: a configured peer whose id has become known. Deliveries of both are united
   * under one key, their sums and dead letters as well: of two deliveries of one message, one is `collapsed`. Those of
   * messages that have passed `to` already are settled. The URL stays with it, and so does the later time of the two at
   * which they were last seen. When deliveries wait under both names, all of them wait in the lane of the default priority
   * from then on: who is to go first is known by their age alone.
   * Renaming a second time does no harm; a name that was never saved is refused with `SLP_RECIPIENT_UNKNOWN`.
   */
  renameRecipient(from: string, to: string): Promise<{ readonly key: RecipientKey; readonly pending: number }>

  /**
   * Forgets a recipient and the deliveries that wait for it, which count as `forgotten` and, if there are any, leave one
   * dead letter `RECIPIENT_FORGOTTEN` with their number. Its key is given to nobody else. Dead letters of it stay until they
   * are purged. Quick, however much waits: what takes time is left to `purge`.
   */
  forgetRecipient(key: RecipientKey): Promise<void>

  /**
   * As `forgetRecipient`, but only what waits is forgotten: the recipient stays, with its key, its sums, and dead letters
   * that can be revived. Resolves to how many deliveries were forgotten.
   */
  forgetBacklog(key: RecipientKey): Promise<number>

  /**
   * Lets newer writes take the place of older ones among what waits for a recipient. `spaces` names the types of which the
   * newest message of a key replaces the others entirely, each with the space whose keys it writes. Of the deliveries of one
   * space, ordering key and audience (`targetedTags`, `targetInstanceId`) only the one with the greatest version stays, where
   * it is; the others count as `collapsed`. What has no ordering key or no version stays as well, and what expires replaces
   * nothing.
   *
   * Looks at `limit` deliveries at most, so that a call is short: the next one for the same recipient goes on from there.
   */
  collapse(recipient: RecipientKey, spaces: Spaces, limit: number): Promise<Collapsed>

  /**
   * The bytes of the texts that wait for a recipient behind `after`, in UTF-8, of `limit` deliveries at most; and the place of
   * the last one of them, from where the next call goes on. Resolves to undefined when nothing waits there.
   */
  weigh(recipient: RecipientKey, after: number, limit: number): Promise<Weighed | undefined>

  /**
   * Gives up the texts of some messages before their time, as many as `limit` at most: of those that wait for nobody and have
   * no dead letter. They stay known with their ids until they are purged. A call may give up nothing although there is
   * something further on: the next one goes on from there.
   */
  shed(limit: number): Promise<Shed>

  /** Dead letters that match, oldest first, beginning behind `after`; and how many match in all. */
  deadLetters(filter: DeadLetterFilter, page: DeadLetterPage): Promise<DeadLetterList>

  /** The text of the message of a dead letter; undefined when there is none, or it was altered on disk. */
  deadLetterText(id: DeadLetterId): Promise<string | undefined>

  /**
   * Selects the dead letters that match now and belong to no unfinished replay job, `limit` at most, those with the oldest
   * places first. They are the job's alone until it ends; what dies later is not among them. With nothing to select, the
   * job is done.
   */
  createReplay(order: ReplayOrder): Promise<FrozenReplay>

  /** What is left of the selection of an unfinished job: the next ones, those with the oldest places first. */
  replaySelection(replay: ReplayId, limit: number): Promise<readonly SelectedLetter[]>

  /**
   * Makes deliveries again of dead letters that a job has selected, with the ids and places that they had and no attempts
   * counted, and counts them in the job, in one transaction. Each waits in the lane that it died in, or in the nearest one
   * in which it keeps its place among the deliveries of its key. Resolves to them, oldest first. Those that are gone, whose
   * recipient is forgotten, or whose message was altered on disk are skipped; so is one that is a delivery already. When
   * nothing of the selection is left after that, the job is done.
   *
   * A delivery that was revived and dies again is counted in the job's `failed` in the same transaction, however long after.
   * Ids that are not the job's (any more) change nothing. Nothing is revived once the job has ended, or more than
   * `maxFailures` have failed. Reviving twice does no harm.
   */
  reviveDeadLetters(replay: ReplayId, ids: readonly DeadLetterId[]): Promise<readonly RevivedDelivery[]>

  /**
   * Ends a job before it is done: what is left of its selection stays dead, and may be selected by another one. One that has
   * ended, or is not known, stays as it is.
   */
  endReplay(replay: ReplayId, ending: ReplayEnding): Promise<void>

  /** Replay jobs, newest first: the unfinished ones, and the newest 1,000 that have ended. */
  replays(): Promise<readonly ReplayJob[]>

  /** One replay job, as it stands; undefined when it is not known (any more). */
  replayJob(replay: ReplayId): Promise<ReplayJob | undefined>

  /** Forgets dead letters for good; their deliveries stay counted as dead. Resolves to how many there were. */
  discardDeadLetters(ids: readonly DeadLetterId[]): Promise<number>

  /**
   * Takes note that the effects of these messages begin here, before they do. Resolves, in order, to undefined for each whose
   * messageId was not claimed before, and else to what is known of it; of two claims of one id in a call, the
   * second one is known. All of it is on disk then. When the promise is rejected, it is indeterminate whether something was
   * claimed: what is found claimed later may have begun, and must not begin again.
   */
  claimExecutions(claims: readonly ExecutionClaim[]): Promise<readonly (Execution | undefined)[]>

  /** Writes down what came of an effect that was claimed. The first ending counts; an id that is not known changes nothing. */
  finishExecution(messageId: string, ending: ExecutionEnding): Promise<void>

  /** Ends whatever has begun and not ended, in that way: of a process before this one. Resolves to it, the oldest first. */
  interruptExecutions(ending: ExecutionEnding): Promise<readonly Execution[]>

  /** What is known of an effect; undefined when it never began here, or is forgotten. */
  execution(messageId: string): Promise<Execution | undefined>

  /**
   * Forgets effects that ended before that time, in milliseconds since the epoch, `limit` at most. Their ids are free again
   * then. Resolves to how many there were. What has not ended stays.
   */
  forgetExecutions(finishedBefore: number, limit: number): Promise<number>

  /**
   * Forgets some of what is no longer needed, and gives some free space back to the file system: messages without pending
   * deliveries or dead letters that were received before `settledBefore`, but never one whose id is still
   * remembered; dead letters from before `deadBefore`; what is left of forgotten deliveries. At most `limit` of each, so that a
   * call is short; resolves to how many. A call may find nothing although there is something further on: the next one goes on from there.
   */
  purge(limits: PurgeLimits): Promise<Purged>

  /**
   * The sums of each recipient that is known, or forgotten and has dead letters, counted in the same transactions as what
   * they count: `targeted = acked + pending + dead + collapsed + forgotten` at every moment (§6 of the protocol). Of a name
   * that was forgotten and came back, the sums are added.
   */
  ledger(): readonly LedgerRow[]

  /** Figures for metrics and health. Cheap: never a scan. */
  statistics(): StoreStatistics

  /** Closes cleanly. Closing twice does nothing. */
  close(): Promise<void>
}
