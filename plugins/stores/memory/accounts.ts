import type { LedgerRow, RecipientKey } from '../../../core/index.ts'

/** What is counted of a recipient. What is pending is not: it is there to be counted. */
export interface Account {
  name: string
  targeted: number
  acked: number
  dead: number
  collapsed: number
  forgotten: number
}

/** The accounts of those who are remembered, and of those who are forgotten and have dead letters. */
export class Accounts {
  readonly #accounts = new Map<RecipientKey, Account>()

  open(key: RecipientKey, name: string): void {
    this.#accounts.set(key, { name, targeted: 0, acked: 0, dead: 0, collapsed: 0, forgotten: 0 })
  }

  of(key: RecipientKey): Account {
    return this.#accounts.get(key) as Account
  }

  /** Ends the accounts that are not needed. */
  close(isNeeded: (key: RecipientKey) => boolean): void {
    for (const key of this.#accounts.keys()) if (!isNeeded(key)) this.#accounts.delete(key)
  }

  /** One row a name: somebody may have been forgotten and have come back. */
  rows(waiting: (key: RecipientKey) => Pick<LedgerRow, 'pending' | 'oldestPendingAt'>): LedgerRow[] {
    const rows = new Map<string, LedgerRow>()
    for (const [key, { name, ...sums }] of this.#accounts) {
      const row = { recipient: name, ...sums, ...waiting(key) }
      const known = rows.get(name)
      rows.set(name, known ? united(known, row) : row)
    }
    return [...rows.values()]
  }
}

function united(one: LedgerRow, other: LedgerRow): LedgerRow {
  return {
    recipient: one.recipient,
    targeted: one.targeted + other.targeted,
    acked: one.acked + other.acked,
    pending: one.pending + other.pending,
    dead: one.dead + other.dead,
    collapsed: one.collapsed + other.collapsed,
    forgotten: one.forgotten + other.forgotten,
    // Nothing waits for one who is forgotten.
    oldestPendingAt: one.oldestPendingAt ?? other.oldestPendingAt,
  }
}

export function addAccount(to: Account, { targeted, acked, dead, collapsed, forgotten }: Account): void {
  to.targeted += targeted
  to.acked += acked
  to.dead += dead
  to.collapsed += collapsed
  to.forgotten += forgotten
}
