import type { Runtime, Timer } from '../../../core/index.ts'

export interface HeartbeatTask {
  readonly runtime: Runtime
  readonly heartbeatMs: number
  readonly deadAfterMs: number
  ping(): void
  /** The other end gave no sign of life for `deadAfterMs`. Called once, and nothing after it. */
  dead(): void
}

/** Pings one connection and notices when nothing comes back. */
export class Heartbeat {
  readonly #task: HeartbeatTask
  #timer: Timer
  #heardAt: number
  #deaf = false

  constructor(task: HeartbeatTask) {
    this.#task = task
    this.#heardAt = task.runtime.monotonic()
    this.#timer = task.runtime.after(task.heartbeatMs, this.#beat)
  }

  /** Something came in, whatever it was. */
  heard(): void {
    this.#heardAt = this.#task.runtime.monotonic()
  }

  /** While this end does not read, silence says nothing about the other end. Pings still go out: it does read. */
  deafen(): void {
    this.#deaf = true
  }

  listen(): void {
    this.#deaf = false
    this.heard()
  }

  stop(): void {
    this.#timer.cancel()
  }

  readonly #beat = (): void => {
    const { runtime, heartbeatMs, deadAfterMs } = this.#task
    const silence = this.#deaf ? 0 : runtime.monotonic() - this.#heardAt
    if (silence >= deadAfterMs) {
      this.#task.dead()
      return
    }
    this.#task.ping()
    this.#timer = runtime.after(Math.min(heartbeatMs, deadAfterMs - silence), this.#beat)
  }
}
