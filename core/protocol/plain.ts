import type { Answered, Codec, Durable, FrameEvents, Lane, OnItsWay } from './codec.ts'
import { PLAIN_WINDOW } from './limits.ts'
import type { Refused } from './line.ts'

export interface PlainCodecContext {
  readonly instanceId: string
  send(frame: string, lane: Lane): void
  /** Of a text in UTF-8. */
  byteLength(text: string): number
}

/** The plain level: each frame is one JSON object, and everything is a message. */
export class PlainCodec implements Codec {
  readonly level = 'plain'
  readonly window = PLAIN_WINDOW
  readonly waitingBytes = 0
  readonly #context: PlainCodecContext

  constructor(context: PlainCodecContext) {
    this.#context = context
  }

  deliver(message: OnItsWay): number {
    const frame = this.#framed(message)
    this.#context.send(frame, 'bulk')
    return this.#context.byteLength(frame)
  }

  pass(message: OnItsWay, lane: Lane): void {
    this.#context.send(this.#framed(message), lane)
  }

  say(frame: string, lane: Lane): void {
    this.#context.send(frame, lane)
  }

  /** All members of the deployed system's ACK. Ids need no escaping. The path begins anew with the one who acknowledges. */
  acknowledge({ messageId, clusterGroupId, status, recipients }: Durable): void {
    const { instanceId, send } = this.#context
    const group = clusterGroupId === undefined ? '' : `,"clusterGroupId":"${clusterGroupId}"`
    send(
      `{"type":"ACK","messageId":"${messageId}","originInstanceId":"${instanceId}","sourceInstanceId":"${instanceId}",` +
        `"messagePath":["${instanceId}"]${group},"status":"${status}","recipients":${recipients}}`,
      'control',
    )
  }

  refuse({ messageId }: Answered, { code, reason, retryable, retryAfterMs }: Refused): void {
    this.#context.send(JSON.stringify({ type: 'NACK', messageId, code, reason, retryable, retryAfterMs }), 'control')
  }

  introduce(): void {}

  pulse(): void {}

  read(frame: string, bytes: number, events: FrameEvents): void {
    events.message(frame, bytes, undefined)
  }

  flush(): void {}

  #framed({ path, text }: OnItsWay): string {
    return hopFrame(path, text, this.#context.instanceId)
  }
}

/** A message's own text, with the hop fields of this instance put in front (§1). */
export function hopFrame(path: readonly string[], text: string, instanceId: string): string {
  const passed = path.length === 0 ? `"${instanceId}"` : `"${path.join('","')}","${instanceId}"`
  return `{"sourceInstanceId":"${instanceId}","messagePath":[${passed}],${text.slice(1)}`
}
