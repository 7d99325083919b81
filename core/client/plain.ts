import { ReceivedMessage } from './received.ts'
import type { OwnRefusal, Wire, WireFilter, WireHandlers } from './wire.ts'

/** The subprotocol of the plain level. */
export const PLAIN = 'slipstream.v1'

/** The plain level: each frame is one JSON object. */
export class PlainWire implements Wire {
  readonly #send: (frame: string) => void
  readonly #handlers: WireHandlers

  constructor(send: (frame: string) => void, handlers: WireHandlers) {
    this.#send = send
    this.#handlers = handlers
  }

  hello(token: string): void {
    this.#send(JSON.stringify({ type: 'HELLO', token, tags: [] }))
  }

  send(text: string): void {
    this.#send(text)
  }

  acknowledge(messageId: string): void {
    this.#send(`{"type":"ACK","messageId":"${messageId}"}`)
  }

  refuse(messageId: string, refusal: OwnRefusal): void {
    this.#send(JSON.stringify({ type: 'NACK', messageId, ...refusal }))
  }

  subscribe(messageId: string, filter: WireFilter): void {
    this.#send(JSON.stringify({ type: 'SUBSCRIBE', messageId, ...filter }))
  }

  read(frame: string): void {
    const received = readFrame(frame)
    if (!received) this.#handlers.unreadable('a frame that is no JSON object')
    else this.#tell(received)
  }

  #tell(received: ReceivedMessage): void {
    const { body } = received
    if (body.type === 'ACK') this.#acknowledged(received)
    else if (body.type === 'NACK') this.#refused(received)
    else if (body.type === 'REPLY') this.#handlers.replied(received)
    else if (body.type === 'HELLO') {
      this.#handlers.greeted(received.string('instanceId'), typeof body.time === 'number' ? body.time : undefined)
    } else this.#handlers.message(received)
  }

  #acknowledged(received: ReceivedMessage): void {
    const { status, recipients } = received.body
    this.#handlers.acknowledged({
      messageId: received.string('messageId') ?? '',
      status: status === 'duplicate' ? 'duplicate' : 'stored',
      recipients: typeof recipients === 'number' ? recipients : 0,
      instanceId: received.string('sourceInstanceId'),
    })
  }

  #refused(received: ReceivedMessage): void {
    const { retryable, retryAfterMs } = received.body
    this.#handlers.refused({
      messageId: received.string('messageId'),
      code: received.string('code') ?? 'INTERNAL',
      reason: received.string('reason') ?? '',
      retryable: retryable === true,
      retryAfterMs: typeof retryAfterMs === 'number' ? retryAfterMs : undefined,
    })
  }
}

function readFrame(text: string): ReceivedMessage | undefined {
  try {
    const body: unknown = JSON.parse(text)
    return typeof body === 'object' && body !== null
      ? new ReceivedMessage(text, body as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}
