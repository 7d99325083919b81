import type { DeadLettered, DueDelivery, Settled } from './events.ts'
import type { GroupCommit } from './group-commit.ts'
import type { HeldTypes } from './held-types.ts'
import type { Hooks } from './hooks.ts'
import type { Link } from './links.ts'
import type { PluginName } from './plugin.ts'
import { DurableRecipient, isStored, type Recipient } from './recipient.ts'
import type { Runtime } from './runtime/runtime.ts'
import type { DeadReason } from './store.ts'

export interface DeliveriesContext {
  readonly hooks: Hooks
  readonly group: GroupCommit
  readonly runtime: Runtime
  /** Those on which a plugin has decided. */
  readonly decided: WeakSet<DueDelivery>
}

/** Deliveries on their way, as one plugin may influence them. */
export class Deliveries {
  readonly #context: DeliveriesContext
  readonly #plugin: PluginName

  constructor(context: DeliveriesContext, plugin: PluginName) {
    this.#context = context
    this.#plugin = plugin
  }

  /**
   * The other end of a link says that a message is durable there: its delivery is done. Only what is in flight to that
   * very recipient can be acknowledged; anything else changes nothing, and undefined is returned.
   */
  acknowledged(link: Link, messageId: string): Settled | undefined {
    const recipient = recipientOf(link)
    const delivery = recipient?.outbox.settle(messageId)
    if (!recipient || !delivery) return undefined
    this.#context.group.settle({ recipient: recipient.key, seq: delivery.seq })
    const settled: Settled = { recipient, message: delivery.message }
    this.#context.hooks.settled.call(settled)
    recipient.outbox.pumpSoon()
    return settled
  }

  /**
   * The other end of a link refuses a message. With `busyMs` it only asks to be left alone for so long, and the message
   * goes again after that; otherwise `republish` decides. Returns whether the message was in flight to it.
   */
  refused(link: Link, messageId: string, refusal: { retryable: boolean; error: string; busyMs?: number }): boolean {
    return recipientOf(link)?.outbox.refuse(messageId, refusal) ?? false
  }

  /** Sends once more, at once, what is still in flight. What was acknowledged meanwhile is left out. */
  sendAgain(due: readonly DueDelivery[]): void {
    for (const one of due) this.#context.decided.add(one)
    for (const recipient of new Set(due.map((one) => one.recipient))) {
      if (isStored(recipient)) recipient.outbox.sendAgain(due.filter((one) => one.recipient === recipient))
    }
  }

  /**
   * Counts the failure on disk, and lets the delivery go again that many milliseconds from now. Of several decisions on one
   * failure, the first one counts.
   */
  retry(due: DueDelivery, afterMs: number): void {
    const { group, runtime } = this.#context
    const { recipient, delivery, attempts } = due
    if (!isStored(recipient) || !this.#isFirst(due)) return
    const dueAt = afterMs > 0 ? Math.ceil(runtime.now() + afterMs) : 0
    const retry = { recipient: recipient.key, seq: delivery.seq, attempts, dueAt }
    group.retry(retry, () => recipient.outbox.defer({ ...delivery, attempts, dueAt }))
  }

  /**
   * Gives the delivery up, unless something else is decided: it becomes a dead letter, with what is known of its failure,
   * in the name of the plugin that failed, else of the one that decides.
   */
  deadLetter(due: DueDelivery, reason: DeadReason): void {
    const { group, hooks } = this.#context
    const { recipient, delivery, attempts, error } = due
    if (!isStored(recipient) || !this.#isFirst(due)) return
    const { name: plugin, version: pluginVersion } = due.plugin ?? this.#plugin
    const death = { recipient: recipient.key, seq: delivery.seq, reason, error, attempts, plugin, pluginVersion }
    group.bury(death, () => {
      const dead: DeadLettered = { recipient, message: delivery.message, reason, attempts }
      recipient.outbox.buried(delivery)
      hooks.deadLetter.call(dead)
    })
  }

  /**
   * Sends the recipient nothing of that type from now on: its deliveries wait, in their places, and hold up no others. What
   * is in flight stays so. Lasts until `release`, or the end of the process. False when nothing is kept for this recipient.
   */
  hold(recipient: Recipient, type: string): boolean {
    const held = heldOf(recipient)
    held?.hold(type)
    return held !== undefined
  }

  /** Sends what `hold` let wait, in its old order, and whatever comes after it. */
  release(recipient: Recipient, type: string): void {
    heldOf(recipient)?.release(type)
  }

  /**
   * Lets exactly one delivery of a held type go: one of those that wait, another one each time, or else the next that comes.
   * Ends with its acknowledgement, with `wait` or with `hold`; one that becomes a dead letter makes room for another one.
   * False when nothing is kept for this recipient.
   */
  probe(recipient: Recipient, type: string): boolean {
    const held = heldOf(recipient)
    held?.probe(type)
    return held !== undefined
  }

  /** Whether it is the one that `probe` let go. */
  isProbe({ recipient, delivery }: DueDelivery): boolean {
    return heldOf(recipient)?.isProbe(delivery) ?? false
  }

  /** How many deliveries of a held type wait; none of any other. */
  waiting(recipient: Recipient, type: string): number {
    return heldOf(recipient)?.waiting(type) ?? 0
  }

  /**
   * Lets a delivery of a held type wait again, and counts nothing: on disk it is as if it had not been sent. One of a type
   * that is not held goes again after the retry delay.
   */
  wait(due: DueDelivery): void {
    const { recipient, delivery } = due
    if (isStored(recipient) && this.#isFirst(due)) recipient.outbox.wait(delivery)
  }

  #isFirst(due: DueDelivery): boolean {
    const { decided } = this.#context
    if (decided.has(due)) return false
    decided.add(due)
    return true
  }
}

/** Undefined when nothing is brought to this recipient, or not any more. */
function heldOf(recipient: Recipient): HeldTypes | undefined {
  return isStored(recipient) ? recipient.outbox.held : undefined
}

/** The recipient that a link stands for: only while it is the one link that deliveries to it take. */
function recipientOf(link: Link): DurableRecipient | undefined {
  const { recipient } = link
  return recipient instanceof DurableRecipient && recipient.link === link ? recipient : undefined
}
