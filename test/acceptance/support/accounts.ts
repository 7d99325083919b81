import Database from 'better-sqlite3'
import { expect } from 'chai'
import type { Instance } from './instance.ts'

/** Deliveries that an instance still owes. */
export async function backlog({ adminUrl }: Instance): Promise<number> {
  const status = (await (await fetch(`${adminUrl}/api/v1/status`)).json()) as { readonly backlog: number }
  return status.backlog
}

export interface Sums {
  readonly targeted: number
  readonly acked: number
  readonly pending: number
  readonly dead: number
  readonly collapsed: number
  readonly forgotten: number
}

/** The accounts in the file of an instance that does not run, by recipient; fails when one does not add up. */
export function accounts({ name, storagePath }: Instance): ReadonlyMap<string, Sums> {
  const database = new Database(storagePath, { readonly: true })
  try {
    expect(database.pragma('integrity_check', { simple: true })).to.equal('ok')
    const rows = database
      .prepare(`
        SELECT name, targeted, acked, dead, collapsed, forgotten, pending AS counted,
          (SELECT count(*) FROM delivery JOIN queue ON queue.number = delivery.queue WHERE queue.recipient = ledger.recipient) AS pending
        FROM ledger`)
      .all() as (Sums & { readonly name: string; readonly counted: number })[]
    return new Map(
      rows.map(({ name: recipient, counted, ...sums }) => {
        const { targeted, acked, pending, dead, collapsed, forgotten } = sums
        expect(pending, `pending for ${recipient} at ${name}`).to.equal(counted)
        expect(targeted, `targeted to ${recipient} at ${name}`).to.equal(acked + pending + dead + collapsed + forgotten)
        return [recipient, sums]
      }),
    )
  } finally {
    database.close()
  }
}
