import type { Recipient } from './recipient.ts'

/** Why somebody is or is not to get a message: short and stable, for the passport of the message. */
export type RouteReason = string

export interface Exclusion {
  readonly recipient: Recipient
  readonly reason: RouteReason
}

/** Who is to get a message, as far as it is decided. Immutable: each tap of `route` hands on its own. */
export class Route {
  readonly recipients: readonly Recipient[]
  readonly excluded: readonly Exclusion[]

  constructor(recipients: readonly Recipient[], excluded: readonly Exclusion[] = []) {
    this.recipients = recipients
    this.excluded = excluded
    Object.freeze(this)
  }

  /** The route without those of whom `leaves` is true. */
  without(reason: RouteReason, leaves: (recipient: Recipient) => boolean): Route {
    const kept: Recipient[] = []
    const excluded: Exclusion[] = [...this.excluded]
    for (const recipient of this.recipients) {
      if (leaves(recipient)) excluded.push({ recipient, reason })
      else kept.push(recipient)
    }
    return kept.length === this.recipients.length ? this : new Route(kept, excluded)
  }

  /** The route with one more recipient, even one that an earlier tap has excluded. */
  with(recipient: Recipient): Route {
    if (this.recipients.includes(recipient)) return this
    return new Route(
      [...this.recipients, recipient],
      this.excluded.filter((exclusion) => exclusion.recipient !== recipient),
    )
  }
}
