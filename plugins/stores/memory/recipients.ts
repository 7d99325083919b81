import {
  type Attempts,
  type RecipientKey,
  type RecipientRecord,
  type ReplayId,
  type Retry,
  type SavedRecipient,
  slipstreamError,
} from '../../../core/index.ts'
import { type Account, type Accounts, addAccount } from './accounts.ts'

export interface Waiting {
  readonly attempts: Attempts
  readonly dueAt: number
  /** The job that revived it. */
  readonly replay?: ReplayId
}

interface KeptRecipient extends RecipientRecord {
  readonly key: RecipientKey
  /** Deliveries that wait by their place, ascending. */
  readonly waiting: Map<number, Waiting>
}

export const NO_ATTEMPTS: Attempts = Object.freeze({ sends: 0, nacks: 0, timeouts: 0, disconnects: 0 })
const NEW: Waiting = Object.freeze({ attempts: NO_ATTEMPTS, dueAt: 0 })

/** Everyone who is remembered, and what waits for whom. */
export class KeptRecipients {
  readonly #accounts: Accounts
  readonly #recipients = new Map<RecipientKey, KeptRecipient>()
  #lastKey = 0

  constructor(accounts: Accounts) {
    this.#accounts = accounts
  }

  get pending(): number {
    let pending = 0
    for (const { waiting } of this.#recipients.values()) pending += waiting.size
    return pending
  }

  all(): SavedRecipient[] {
    return [...this.#recipients.values()].map(({ waiting, ...record }) => ({ ...record, pending: waiting.size }))
  }

  has(key: RecipientKey): boolean {
    return this.#recipients.has(key)
  }

  waitingFor(key: RecipientKey): ReadonlyMap<number, Waiting> {
    return this.#recipients.get(key)?.waiting ?? new Map()
  }

  save({ name, role, tags, clusterGroupId, url, lastSeenAt }: RecipientRecord): RecipientKey {
    const known = this.#named(name)
    const key = known?.key ?? ++this.#lastKey
    const waiting = known?.waiting ?? new Map()
    this.#recipients.set(key, { key, name, role, tags, clusterGroupId, url, lastSeenAt, waiting })
    if (!known) this.#accounts.open(key, name)
    return key
  }

  noteSeen(key: RecipientKey, lastSeenAt: number): void {
    const recipient = this.#recipients.get(key)
    if (recipient) this.#recipients.set(key, { ...recipient, lastSeenAt })
  }

  deliver(key: RecipientKey, seq: number): void {
    this.#recipients.get(key)?.waiting.set(seq, NEW)
    this.#account(key).targeted++
  }

  /** Whether a dead delivery waits again. It may wait already, as another dead letter of it was revived: one of two. */
  revive(key: RecipientKey, seq: number, replay: ReplayId): boolean {
    const recipient = this.#recipients.get(key)
    if (!recipient) return false
    const account = this.#account(key)
    account.dead--
    if (recipient.waiting.has(seq)) {
      account.collapsed++
      return false
    }
    this.#recipients.set(key, { ...recipient, waiting: inOrder([...recipient.waiting, [seq, { ...NEW, replay }]]) })
    return true
  }

  note({ recipient, seq, attempts, dueAt }: Retry): void {
    const waiting = this.#recipients.get(recipient)?.waiting
    const known = waiting?.get(seq)
    if (known) waiting?.set(seq, { ...known, attempts, dueAt })
  }

  /** Returns what waited; undefined: nothing. */
  remove(key: RecipientKey, seq: number, outcome: 'acked' | 'dead' | 'collapsed'): Waiting | undefined {
    const waiting = this.#recipients.get(key)?.waiting
    const waited = waiting?.get(seq)
    if (!waited) return undefined
    waiting?.delete(seq)
    this.#account(key)[outcome]++
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
    for (const seq of this.waitingFor(kept.key).keys()) if (hasPassed(seq)) this.remove(kept.key, seq, 'acked')
    return target ? { key: kept.key, gone: source.key } : { key: kept.key }
  }

  /** Place of the first delivery that waits. */
  oldest(key: RecipientKey): number | undefined {
    for (const seq of this.waitingFor(key).keys()) return seq
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
    const count = recipient?.waiting.size ?? 0
    if (!recipient || count === 0) return 0
    this.#recipients.set(key, { ...recipient, waiting: new Map() })
    this.#account(key).forgotten += count
    return count
  }

  #unite(source: KeptRecipient, { key, ...target }: KeptRecipient): void {
    const waiting = inOrder([...source.waiting, ...target.waiting])
    const account = this.#account(key)
    addAccount(account, this.#account(source.key))
    account.collapsed += source.waiting.size + target.waiting.size - waiting.size
    this.#recipients.delete(source.key)
    const lastSeenAt = Math.max(source.lastSeenAt, target.lastSeenAt)
    this.#recipients.set(key, { ...target, key, url: source.url ?? target.url, lastSeenAt, waiting })
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

/** Each place once; of two, the later one given. */
function inOrder(waiting: readonly (readonly [number, Waiting])[]): Map<number, Waiting> {
  return new Map([...waiting].sort(([one], [other]) => one - other))
}
