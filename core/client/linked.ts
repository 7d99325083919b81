import type { FrameEvents } from '../protocol/codec.ts'
import type { Window } from '../protocol/limits.ts'
import { LinkedCodec } from '../protocol/linked.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { printSubscribe, tell } from './plain.ts'
import { readReceived } from './received.ts'
import type { Answerable, OwnRefusal, Wire, WireFilter, WireHandlers } from './wire.ts'

/** What may wait in this client for its subscriptions. */
const OWN_WINDOW: Window = { messages: 256, bytes: 1024 * 1024 }

export interface LinkedWireContext {
  readonly runtime: Runtime
  readonly name: string | undefined
  send(frame: string): void
}

/** The linked level: frames hold many messages, and an answer is a number. */
export class LinkedWire implements Wire {
  readonly level = 'linked'
  readonly #context: LinkedWireContext
  readonly #handlers: WireHandlers
  readonly #codec: LinkedCodec
  readonly #events: FrameEvents
  #instanceId: string | undefined

  constructor(context: LinkedWireContext, handlers: WireHandlers) {
    this.#context = context
    this.#handlers = handlers
    this.#codec = new LinkedCodec({
      // The instance puts the name of its publisher into the path itself.
      name: undefined,
      tellsMore: false,
      send: (frame) => context.send(frame),
      defer: (task) => context.runtime.defer(task),
      // Near enough to bound what is under way, and what goes into a frame.
      byteLength: (text) => text.length,
    })
    this.#events = this.#reading()
  }

  get window(): Window {
    return this.#codec.window
  }

  start(token: string | undefined): void {
    const { name, runtime } = this.#context
    this.#codec.introduce({
      role: 'client',
      ...(name !== undefined && { instanceId: name }),
      ...(token !== undefined && { token }),
    })
    this.#codec.pulse(runtime.now(), 0, OWN_WINDOW)
  }

  publish(messageId: string, text: string): void {
    this.#codec.deliver({ messageId, path: [], text })
  }

  ask(messageId: string, text: string): void {
    this.#codec.pass({ messageId, path: [], text }, 'bulk')
  }

  acknowledge({ messageId, number }: Answerable): void {
    this.#codec.acknowledge({ messageId, number, clusterGroupId: undefined, status: 'stored', recipients: 0 })
  }

  refuse({ messageId, number }: Answerable, refusal: OwnRefusal): void {
    this.#codec.refuse({ messageId, number }, refusal)
  }

  subscribe(messageId: string, filter: WireFilter): void {
    this.#codec.say(printSubscribe(messageId, filter), 'control')
  }

  read(frame: string): void {
    this.#codec.read(frame, frame.length, this.#events)
  }

  flush(): void {
    this.#codec.flush()
  }

  #reading(): FrameEvents {
    const handlers = this.#handlers
    return {
      message: (text, _bytes, hop) => {
        const received = readReceived(text, hop?.number)
        if (received) tell(received, handlers)
        else handlers.unreadable('a message that is no JSON object')
      },
      acknowledged: (messageId, { recipients = 0, duplicate }) => {
        const status = duplicate ? 'duplicate' : 'stored'
        handlers.acknowledged({ messageId, status, recipients, instanceId: this.#instanceId })
      },
      refused: (messageId, { code, reason, retryable, retryAfterMs }) => {
        handlers.refused({ messageId, code, reason, retryable, retryAfterMs })
      },
      hello: ({ instanceId }) => {
        this.#instanceId = instanceId ?? this.#instanceId
        handlers.greeted(instanceId, undefined)
      },
      pulse: (time) => handlers.greeted(undefined, time),
      granted: () => handlers.granted(),
      fault: ({ message }) => handlers.unreadable(`what cannot be read: ${message}`),
    }
  }
}
