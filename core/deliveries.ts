import type { DeadLettered, DueDelivery, Settled } from './events.ts'
import type { GroupCommit } from './group-commit.ts'
import type { Hooks } from './hooks.ts'
import type { Link } from './links.ts'
import type { PluginName } from './plugin.ts'
import { DurableRecipient, isStored } from './recipient.ts'
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

  #isFirst(due: DueDelivery): boolean {
    const { decided } = this.#context
    if (decided.has(due)) return false
    decided.add(due)
    return true
  }
}

/** The recipient that a link stands for: only while it is the one link that deliveries to it take. */
function recipientOf(link: Link): DurableRecipient | undefined {
  const { recipient } = link
  return recipient instanceof DurableRecipient && recipient.link === link ? recipient : undefined
}
