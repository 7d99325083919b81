import { answerFault } from './answers.ts'
import type { Hooks } from './hooks.ts'
import type { Journey } from './journey.ts'
import type { Link } from './links.ts'
import type { Log } from './log.ts'
import type { FrameEvents, Hop } from './protocol/codec.ts'
import type { ProtocolFault } from './protocol/fault.ts'
import type { Hello } from './protocol/hello.ts'
import type { Refused } from './protocol/line.ts'
import { Received } from './protocol/received.ts'
import type { Runtime } from './runtime/runtime.ts'
import type { TypeRegistry } from './type-registry.ts'

export interface FrameReaderContext {
  readonly journey: Journey
  readonly types: TypeRegistry
  readonly hooks: Hooks
  readonly runtime: Runtime
  readonly log: Log
}

/**
 * Takes what the frames of one link say to whom it concerns. What a line of the linked level says in a few bytes is handled by
 * the type that says the same on the plain level: there is one way to take an ACK.
 */
export class FrameReader implements FrameEvents {
  readonly #link: Link
  readonly #context: FrameReaderContext

  constructor(link: Link, context: FrameReaderContext) {
    this.#link = link
    this.#context = context
  }

  message(text: string, bytes: number, hop: Hop | undefined): void {
    this.#context.journey.receive({ text, bytes, hop }, this.#link)
  }

  acknowledged(messageId: string): void {
    this.#said('ACK', { messageId })
  }

  refused(messageId: string | undefined, { code, reason, retryable, retryAfterMs }: Refused): void {
    this.#said('NACK', { messageId, code, reason, retryable, retryAfterMs })
  }

  hello(hello: Hello): void {
    this.#said('HELLO', hello)
  }

  pulse(time: number, agrees: number): void {
    this.#said('HELLO', { time, agrees })
  }

  granted(): void {
    const { recipient } = this.#link
    if (recipient?.durable && recipient.link === this.#link) recipient.outbox.pump()
  }

  fault(fault: ProtocolFault): void {
    answerFault({ sender: this.#link }, fault, this.#context)
  }

  #said(type: string, body: object): void {
    const { types, runtime } = this.#context
    const received = Received.said(this.#link, type, body, runtime.monotonic())
    try {
      const handled = types.receiver(type)?.(received)
      void handled?.catch((error: unknown) => answerFault(received, error, this.#context))
    } catch (error) {
      answerFault(received, error, this.#context)
    }
  }
}
