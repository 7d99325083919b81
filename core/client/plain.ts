import type { Window } from '../protocol/limits.ts'
import { type ReceivedMessage, readReceived } from './received.ts'
import type { Answerable, OwnRefusal, Wire, WireFilter, WireHandlers } from './wire.ts'

/** The instance bounds what it takes by not reading on, and by `BUSY`. */
const NO_WINDOW: Window = { messages: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY }

/** The plain level: each frame is one JSON object. */
export class PlainWire implements Wire {
  readonly level = 'plain'
  readonly window = NO_WINDOW
  readonly #send: (frame: string) => void
  readonly #handlers: WireHandlers

  constructor(send: (frame: string) => void, handlers: WireHandlers) {
    this.#send = send
    this.#handlers = handlers
  }

  start(token: string | undefined): void {
    if (token !== undefined) this.#send(JSON.stringify({ type: 'HELLO', token, tags: [] }))
  }

  publish(_messageId: string, text: string): void {
    this.#send(text)
  }

  ask(_messageId: string, text: string): void {
    this.#send(text)
  }

  acknowledge({ messageId }: Answerable): void {
    this.#send(`{"type":"ACK","messageId":"${messageId}"}`)
  }

  refuse({ messageId }: Answerable, refusal: OwnRefusal): void {
    this.#send(JSON.stringify({ type: 'NACK', messageId, ...refusal }))
  }

  subscribe(messageId: string, filter: WireFilter): void {
    this.#send(printSubscribe(messageId, filter))
  }

  read(frame: string): void {
    const received = readReceived(frame)
    if (received) tell(received, this.#handlers)
    else this.#handlers.unreadable('a frame that is no JSON object')
  }

  flush(): void {}
}

export function printSubscribe(messageId: string, filter: WireFilter): string {
  return JSON.stringify({ type: 'SUBSCRIBE', messageId, ...filter })
}

/** Says what an object of the plain level is. */
export function tell(received: ReceivedMessage, handlers: WireHandlers): void {
  const { type, time } = received.body
  if (type === 'ACK') acknowledged(received, handlers)
  else if (type === 'NACK') refused(received, handlers)
  else if (type === 'REPLY') handlers.replied(received)
  else if (type !== 'HELLO') handlers.message(received)
  else handlers.greeted(received.string('instanceId'), typeof time === 'number' ? time : undefined)
}

function acknowledged(received: ReceivedMessage, handlers: WireHandlers): void {
  const { status, recipients } = received.body
  handlers.acknowledged({
    messageId: received.string('messageId') ?? '',
    status: status === 'duplicate' ? 'duplicate' : 'stored',
    recipients: typeof recipients === 'number' ? recipients : 0,
    instanceId: received.string('sourceInstanceId'),
  })
}

function refused(received: ReceivedMessage, handlers: WireHandlers): void {
  const { retryable, retryAfterMs } = received.body
  handlers.refused({
    messageId: received.string('messageId'),
    code: received.string('code') ?? 'INTERNAL',
    reason: received.string('reason') ?? '',
    retryable: retryable === true,
    retryAfterMs: typeof retryAfterMs === 'number' ? retryAfterMs : undefined,
  })
}
