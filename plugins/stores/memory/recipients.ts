import {
  type RecipientKey,
  type RecipientRecord,
  type ReplayId,
  type Retry,
  type SavedRecipient,
  slipstreamError,
} from '../../../core/index.ts'
import { type Account, type Accounts, addAccount } from './accounts.ts'
import { type KeyOf, Queue, type Waiting } from './queue.ts'

interface KeptRecipient extends RecipientRecord {
  readonly key: RecipientKey
  readonly queue: Queue
}

/** Everyone who is remembered, and what waits for whom. */
export class KeptRecipients {
  readonly #accounts: Accounts
  readonly #keyOf: KeyOf
  readonly #recipients = new Map<RecipientKey, KeptRecipient>()
  #lastKey = 0

  constructor(accounts: Accounts, keyOf: KeyOf) {
    this.#accounts = accounts
    this.#keyOf = keyOf
  }

  get pending(): number {
    let pending = 0
    for (const { queue } of this.#recipients.values()) pending += queue.size
    return pending
  }

  all(): SavedRecipient[] {
    return [...this.#recipients.values()].map(({ queue, ...record }) => ({ ...record, pending: queue.size }))
  }

  has(key: RecipientKey): boolean {
    return this.#recipients.has(key)
  }

  /** What waits for the recipient; nothing when it is unknown. */
  queueOf(key: RecipientKey): Queue {
    return this.#recipients.get(key)?.queue ?? new Queue(this.#keyOf)
  }

  save({ name, role, tags, clusterGroupId, url, lastSeenAt, subscription }: RecipientRecord): RecipientKey {
    const known = this.#named(name)
    const key = known?.key ?? ++this.#lastKey
    const queue = this.queueOf(key)
    const record = { name, role, tags, clusterGroupId, url, lastSeenAt, ...(subscription && { subscription }) }
    this.#recipients.set(key, { ...record, key, queue })
    if (!known) this.#accounts.open(key, name)
    return key
  }

  noteSeen(key: RecipientKey, lastSeenAt: number): void {
    const recipient = this.#recipients.get(key)
    if (recipient) this.#recipients.set(key, { ...recipient, lastSeenAt })
  }

  deliver(key: RecipientKey, seq: number, priority: number): Waiting {
    this.#account(key).targeted++
    return this.queueOf(key).add(seq, priority)
  }

  /**
   * A dead delivery waits again, in the lane it was in if its key allows. Undefined when it waits already, as another dead
   * letter of it was revived: one of two.
   */
  revive(key: RecipientKey, seq: number, lane: number, replay: ReplayId): Waiting | undefined {
    const account = this.#account(key)
    const queue = this.queueOf(key)
    account.dead--
    if (!queue.get(seq)) return queue.add(seq, lane, replay)
    account.collapsed++
    return undefined
  }

  note(retry: Retry): void {
    this.queueOf(retry.recipient).note(retry)
  }

  /** What waited, and waits no longer. */
  remove(key: RecipientKey, seq: number, outcome: 'acked' | 'dead' | 'collapsed'): Waiting | undefined {
    const waited = this.queueOf(key).remove(seq)
    if (waited) this.#account(key)[outcome]++
    return waited
  }

  /** Returns the key under which both are known now, and the one that was given up. */
  rename(from: string, to: string, hasPassed: (seq: number) => boolean): { key: RecipientKey; gone?: RecipientKey } {
    const source = this.#named(from)
    const target = this.#named(to)
    const kept = target ?? source
    if (!kept) throw slipstreamError('SLP_RECIPIENT_UNKNOWN', [from])
    if (!source || source === target) return { key: kept.key }
    if (target) this.#unite(source, target)
    else this.#rename(source, to)
    for (const seq of this.queueOf(kept.key).places) if (hasPassed(seq)) this.remove(kept.key, seq, 'acked')
    return target ? { key: kept.key, gone: source.key } : { key: kept.key }
  }

  /** Place of the first delivery that waits. */
  oldest(key: RecipientKey): number | undefined {
    for (const seq of this.queueOf(key).places) return seq
    return undefined
  }

  /** Returns how many deliveries waited. */
  forget(key: RecipientKey): number {
    const count = this.forgetBacklog(key)
    this.#recipients.delete(key)
    return count
  }

  /** Returns how many deliveries waited. */
  forgetBacklog(key: RecipientKey): number {
    const recipient = this.#recipients.get(key)
    const count = recipient?.queue.size ?? 0
    if (!recipient || count === 0) return 0
    this.#recipients.set(key, { ...recipient, queue: new Queue(this.#keyOf) })
    this.#account(key).forgotten += count
    return count
  }

  #unite(source: KeptRecipient, target: KeptRecipient): void {
    const { key, queue } = target
    const both = source.queue.size + queue.size
    queue.unite(source.queue)
    const account = this.#account(key)
    addAccount(account, this.#account(source.key))
    account.collapsed += both - queue.size
    this.#recipients.delete(source.key)
    const lastSeenAt = Math.max(source.lastSeenAt, target.lastSeenAt)
    this.#recipients.set(key, { ...target, url: source.url ?? target.url, lastSeenAt })
  }

  #rename(source: KeptRecipient, name: string): void {
    this.#recipients.set(source.key, { ...source, name })
    this.#account(source.key).name = name
  }

  #account(key: RecipientKey): Account {
    return this.#accounts.of(key)
  }

  #named(name: string): KeptRecipient | undefined {
    for (const recipient of this.#recipients.values()) if (recipient.name === name) return recipient
    return undefined
  }
}
