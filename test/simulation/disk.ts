import type {
  Batch,
  DeadLetterId,
  PendingDelivery,
  RecipientKey,
  RecipientRecord,
  ReplayId,
  RevivedDelivery,
  Store,
  StoreContext,
  StoreState,
  StoreVerdict,
} from '../../core/index.ts'

/** What an observer is told of a disk: only what has become durable, at the moment in which it does. */
export interface DiskObserver {
  opened(host: string): void
  wrote(host: string, batch: Batch, verdicts: readonly StoreVerdict[]): void
  saved(host: string, key: RecipientKey, record: RecipientRecord): void
  renamed(host: string, from: string, to: string, key: RecipientKey): void
  /** The instance has heard that two names are one recipient, and reads anew what waits for it. */
  united(host: string, name: string, key: RecipientKey): void
  forgot(host: string, key: RecipientKey): void
  forgotBacklog(host: string, key: RecipientKey): void
  /** So many dead letters are gone; what is not among the deliveries was one of them twice. */
  revived(host: string, deliveries: readonly RevivedDelivery[], letters: number): void
  /** There is nothing on it any more. */
  wiped(host: string): void
}

/** What one instance has on disk. It survives every crash, and what is written to it is durable at once. */
export class Disk {
  readonly host: string
  readonly #make: () => Store
  readonly #observer: DiskObserver
  store: Store
  /** Whether an instance has it open, so that it can be looked at. */
  opened = false

  constructor(host: string, make: () => Store, observer: DiskObserver) {
    this.host = host
    this.#make = make
    this.#observer = observer
    this.store = make()
  }

  async open(context: StoreContext): Promise<StoreState> {
    const state = await this.store.open(context)
    this.opened = true
    this.#observer.opened(this.host)
    return state
  }

  async close(): Promise<void> {
    this.opened = false
    await this.store.close()
  }

  async write(batch: Batch): Promise<readonly StoreVerdict[]> {
    const verdicts = await this.store.write(batch)
    this.#observer.wrote(this.host, batch, verdicts)
    return verdicts
  }

  async saveRecipient(record: RecipientRecord): Promise<RecipientKey> {
    const key = await this.store.saveRecipient(record)
    this.#observer.saved(this.host, key, record)
    return key
  }

  async renameRecipient(from: string, to: string): Promise<{ readonly key: RecipientKey; readonly pending: number }> {
    const renamed = await this.store.renameRecipient(from, to)
    this.#observer.renamed(this.host, from, to, renamed.key)
    return renamed
  }

  united(name: string, key: RecipientKey): void {
    this.#observer.united(this.host, name, key)
  }

  async forgetRecipient(key: RecipientKey): Promise<void> {
    await this.store.forgetRecipient(key)
    this.#observer.forgot(this.host, key)
  }

  async forgetBacklog(key: RecipientKey): Promise<number> {
    const count = await this.store.forgetBacklog(key)
    this.#observer.forgotBacklog(this.host, key)
    return count
  }

  async reviveDeadLetters(replay: ReplayId, ids: readonly DeadLetterId[]): Promise<readonly RevivedDelivery[]> {
    const { dead } = this.store.statistics()
    const revived = await this.store.reviveDeadLetters(replay, ids)
    this.#observer.revived(this.host, revived, dead - this.store.statistics().dead)
    return revived
  }

  /** Somebody puts an empty one in its place. */
  wipe(): void {
    this.store = this.#make()
    this.#observer.wiped(this.host)
  }

  /** All deliveries that wait for a recipient. */
  waiting(recipient: RecipientKey): Promise<readonly PendingDelivery[]> {
    const all = { messages: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY }
    return this.store.pending(recipient, [], all)
  }
}
