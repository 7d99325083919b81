import { type ClientError, clientError } from './errors.ts'
import { Fifo } from './fifo.ts'
import type { Filter } from './filter.ts'
import type { HandedMessage, Message } from './message.ts'

export interface SubscribeOptions {
  /**
   * `auto`: a message is acknowledged when the handler has finished, or when the loop asks for the next one; what a handler throws
   * refuses it. `manual`: by `message.ack()` and `message.nack()` only. Default `auto`.
   */
  readonly acknowledge?: 'auto' | 'manual'
  /** Ends the subscription. */
  readonly signal?: AbortSignal
}

/** What a subscription needs of its client. */
export interface SubscriptionHost {
  readonly maxQueued: number | undefined
  ended(): void
  failed(error: Error): void
}

type Taken<Type extends string> = IteratorResult<Message<Type>, undefined>

/**
 * Messages that fit a filter, in the order in which they come: `for await (const message of subscription)`. A loop that is left
 * by `break` or by an error has not handled its last message: acknowledge it before, or it comes again.
 */
export class Subscription<Type extends string = string> implements AsyncIterable<Message<Type>> {
  readonly filter: Filter<Type>
  /** Resolves when the instance knows of it: what is published from then on comes. */
  readonly ready: Promise<void>
  /** Resolves when it has ended and all that was handed out is decided. */
  readonly finished: Promise<void>
  readonly #host: SubscriptionHost
  readonly #isAuto: boolean
  readonly #queue = new Fifo<HandedMessage>()
  readonly #handedOut = new Set<HandedMessage>()
  #current: HandedMessage | undefined
  #next: { readonly resolve: (taken: Taken<Type>) => void; readonly reject: (error: ClientError) => void } | undefined
  #isOver = false
  #error: ClientError | undefined
  #finish: () => void = () => {}
  #known: () => void = () => {}

  constructor(filter: Filter<Type>, options: SubscribeOptions, host: SubscriptionHost) {
    this.filter = filter
    this.#host = host
    this.#isAuto = options.acknowledge !== 'manual'
    this.finished = new Promise((resolve) => {
      this.#finish = resolve
    })
    this.ready = new Promise((resolve) => {
      this.#known = resolve
    })
    options.signal?.addEventListener('abort', () => this.close(), { once: true })
  }

  /** The instance has taken note of it. */
  confirm(): void {
    this.#known()
  }

  /** Takes no new messages; what waits here and was not taken goes back to the instance. */
  close(): void {
    this.#end(undefined)
    this.#release()
  }

  /** Takes no new messages; those that wait here are still handed out. */
  drain(): void {
    this.#end(undefined)
    this.#told()
  }

  /** Its client is closed, against its will if there is an error. */
  abandon(error: ClientError | undefined): void {
    this.#end(error)
    this.#handedOut.clear()
    this.#release()
  }

  /** A message that fits. */
  push(message: HandedMessage): void {
    const { maxQueued } = this.#host
    if (maxQueued !== undefined && this.#queue.size >= maxQueued) {
      this.#end(clientError('SLP_SLOW_READER', [maxQueued]))
      this.#release()
    } else if (this.#next) {
      this.#handOver(message, this.#next.resolve)
    } else {
      this.#queue.push(message)
    }
  }

  /** One of its messages is decided. */
  decided(message: HandedMessage): void {
    this.#handedOut.delete(message)
    if (this.#isOver) this.#told()
  }

  [Symbol.asyncIterator](): AsyncIterator<Message<Type>, undefined> {
    return {
      next: () => this.#take(),
      return: () => {
        if (this.#isAuto) this.#current?.release()
        this.#current = undefined
        this.close()
        return Promise.resolve({ done: true, value: undefined })
      },
    }
  }

  /** Calls the handler for each message, one after the other, until it ends. */
  async run(handler: (message: Message<Type>) => unknown): Promise<void> {
    try {
      for await (const message of this) {
        try {
          await handler(message)
        } catch (error) {
          message.nack('the handler of the application failed')
          this.#host.failed(error instanceof Error ? error : new Error(String(error)))
        }
      }
    } catch (error) {
      this.#host.failed(error as Error)
    }
  }

  #take(): Promise<Taken<Type>> {
    if (this.#isAuto) this.#current?.ack()
    this.#current = undefined
    const message = this.#queue.shift()
    return new Promise((resolve, reject) => {
      if (message) this.#handOver(message, resolve)
      else if (this.#error) reject(this.#error)
      else if (this.#isOver) resolve({ done: true, value: undefined })
      else this.#next = { resolve, reject }
      this.#told()
    })
  }

  #handOver(message: HandedMessage, resolve: (taken: Taken<Type>) => void): void {
    this.#next = undefined
    this.#current = message
    this.#handedOut.add(message)
    resolve({ done: false, value: message as unknown as Message<Type> })
  }

  #end(error: ClientError | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#error = error
    this.#known()
    this.#host.ended()
    if (error) this.#next?.reject(error)
    else if (this.#queue.size === 0) this.#next?.resolve({ done: true, value: undefined })
    this.#next = undefined
  }

  #release(): void {
    for (const message of this.#queue.clear()) message.release()
    this.#told()
  }

  #told(): void {
    if (this.#isOver && this.#queue.size === 0 && this.#handedOut.size === 0) this.#finish()
  }
}
