import { messageKey } from '../message.ts'
import type { Runtime, Timer } from '../runtime/runtime.ts'
import { fits } from './filter.ts'
import { HandedMessage, type Verdict } from './message.ts'
import type { ReceivedMessage } from './received.ts'
import type { Seen } from './seen.ts'
import type { Subscription } from './subscription.ts'
import type { Answerable, OwnRefusal, Wire } from './wire.ts'

/**
 * What is not handled by then is given back for a moment: an instance waits 5 s for a word by default, and takes a client that
 * keeps silent for dead, and a message that others overtake for failing (§6 of the protocol).
 */
const PATIENCE_MS = 2_000
/** When a message that is being handled is asked for again, and one that nobody subscribes to, in milliseconds. */
const STILL_HANDLED: OwnRefusal = {
  code: 'BUSY',
  reason: 'it is being handled; its acknowledgement follows',
  retryable: true,
  retryAfterMs: 100,
}
const NOBODY_YET: OwnRefusal = {
  code: 'BUSY',
  reason: 'nothing in this client subscribes yet',
  retryable: true,
  retryAfterMs: 1_000,
}

export interface InboxContext {
  readonly runtime: Runtime
  readonly seen: Seen
  /** Whether the instance waits for acknowledgements: only those of a client with a name count. */
  readonly acknowledges: boolean
  subscriptions(): readonly Subscription<string>[]
}

/** A message that this connection has brought and that is not answered. */
interface Unanswered {
  readonly message: Answerable
  readonly since: number
}

/** What comes in: each message goes to every subscription that it fits, once, and is answered when all have decided. */
export class Inbox {
  readonly #context: InboxContext
  readonly #unanswered = new Map<string, Unanswered>()
  #wire: Wire | undefined
  #timer: Timer | undefined

  constructor(context: InboxContext) {
    this.#context = context
  }

  attach(wire: Wire): void {
    this.#wire = wire
  }

  detach(): void {
    this.#wire = undefined
    this.#unanswered.clear()
    this.#timer?.cancel()
    this.#timer = undefined
  }

  receive(received: ReceivedMessage): void {
    const { subscriptions, seen } = this.#context
    const { number } = received
    const message = { messageId: received.string('messageId') ?? '', number }
    const wire = this.#wire
    const all = subscriptions()
    const wanting = all.filter(({ filter }) => fits(filter, received.body))
    if (all.length === 0) this.#refuse(message, NOBODY_YET)
    else if (wanting.length === 0) this.#acknowledge(message)
    else {
      const { messageId } = message
      const key = messageKey({ clusterGroupId: received.string('clusterGroupId'), messageId })
      this.#await(key, message)
      const isMine = seen.claim(key, this, (verdict) => {
        // On another connection its number is that of another message; there it comes again.
        if (wire === this.#wire) this.#answer(key, message, verdict)
      })
      if (isMine) this.#handOut(received, wanting, (verdict) => seen.settle(key, verdict))
    }
  }

  /** The worst verdict counts. */
  #handOut(
    received: ReceivedMessage,
    wanting: readonly Subscription<string>[],
    done: (verdict: Verdict) => void,
  ): void {
    let open = wanting.length
    let worst: Verdict = { kept: true }
    for (const subscription of wanting) {
      const message = new HandedMessage(received, (verdict) => {
        if (severity(verdict) > severity(worst)) worst = verdict
        if (--open === 0) done(worst)
        subscription.decided(message)
      })
      subscription.push(message)
    }
  }

  #answer(key: string, message: Answerable, verdict: Verdict): void {
    this.#unanswered.delete(key)
    if (verdict.kept) this.#acknowledge(message)
    else this.#refuse(message, refusalOf(verdict))
  }

  #acknowledge(message: Answerable): void {
    if (this.#context.acknowledges) this.#wire?.acknowledge(message)
  }

  #refuse(message: Answerable, refusal: OwnRefusal): void {
    if (this.#context.acknowledges) this.#wire?.refuse(message, refusal)
  }

  #await(key: string, message: Answerable): void {
    if (!this.#context.acknowledges) return
    this.#unanswered.set(key, { message, since: this.#context.runtime.monotonic() })
    this.#timer ??= this.#context.runtime.after(PATIENCE_MS, () => this.#giveBack())
  }

  #giveBack(): void {
    const { runtime } = this.#context
    const now = runtime.monotonic()
    this.#timer = undefined
    for (const [key, { message, since }] of this.#unanswered) {
      if (now - since < PATIENCE_MS) {
        this.#timer = runtime.after(since + PATIENCE_MS - now, () => this.#giveBack())
        return
      }
      this.#unanswered.delete(key)
      this.#refuse(message, STILL_HANDLED)
    }
  }
}

function severity(verdict: Verdict): number {
  if (verdict.kept) return 0
  if (verdict.later) return 1
  return verdict.retryable ? 2 : 3
}

function refusalOf({ reason, retryable, later }: Verdict & { readonly kept: false }): OwnRefusal {
  if (later) return { code: 'BUSY', reason, retryable, retryAfterMs: 100 }
  return { code: retryable ? 'INTERNAL' : 'INVALID_MESSAGE', reason, retryable }
}
