import type { Link, Runtime, Timer } from '../../../core/index.ts'
import type { Question, SyncFrame } from './frames.ts'
import { untilThereIsRoom } from './room.ts'

/** How long an answer may take, in milliseconds. */
const ANSWER_WITHIN_MS = 30_000
/** As long as that when it takes a look at everything. */
const LOOK_WITHIN_MS = 10 * 60 * 1_000

interface Waiting {
  readonly timer: Timer
  readonly resolve: (answer: SyncFrame) => void
  readonly reject: (error: Error) => void
}

export type Content = Omit<SyncFrame, 'id' | 'ask' | 'failed'>

/** Questions to the other end of one link: one after the other, each answered before the next one goes. */
export class Asking {
  readonly link: Link
  /** Bytes of questions and answers so far. */
  bytes = 0
  readonly #runtime: Runtime
  #waiting: (Waiting & { readonly id: number }) | undefined
  #count = 0
  #closed = false

  constructor(link: Link, runtime: Runtime) {
    this.link = link
    this.#runtime = runtime
  }

  async ask(ask: Question, content: Content = {}): Promise<SyncFrame> {
    await untilThereIsRoom(this.link, this.#runtime, () => this.#closed)
    if (this.#closed) throw new Error('the link is gone')
    const id = ++this.#count
    const withinMs = content.shared ? LOOK_WITHIN_MS : ANSWER_WITHIN_MS
    return new Promise((resolve, reject) => {
      const timer = this.#runtime.after(withinMs, () => this.#end(id)?.reject(new Error('no answer in time')))
      this.#waiting = { id, timer, resolve, reject }
      this.#send(JSON.stringify({ type: 'SYNC', id, ask, ...content }))
    })
  }

  answered(answer: SyncFrame, bytes: number): void {
    const waiting = this.#end(answer.id)
    if (!waiting) return
    this.bytes += bytes
    if (answer.failed === undefined) waiting.resolve(answer)
    else waiting.reject(new Error(`the other side failed: ${answer.failed}`))
  }

  close(): void {
    this.#closed = true
    if (this.#waiting) this.#end(this.#waiting.id)?.reject(new Error('the link is gone'))
  }

  #send(frame: string): void {
    this.bytes += Buffer.byteLength(frame)
    this.link.send(frame, 'bulk')
  }

  #end(id: number): Waiting | undefined {
    const waiting = this.#waiting
    if (waiting?.id !== id) return undefined
    waiting.timer.cancel()
    this.#waiting = undefined
    return waiting
  }
}
