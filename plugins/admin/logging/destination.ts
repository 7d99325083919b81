import { write, writeSync } from 'node:fs'
import type { Runtime } from '../../../core/index.ts'

/** What waits to be written at most; lines beyond it are dropped and counted. */
const MAX_WAITING_BYTES = 8 * 1024 * 1024
const STANDARD_ERROR = 2
/** How long to leave a reader alone that takes nothing now. */
const PATIENCE_MS = 50
/** At the end of the process, it is waited for so many times. */
const MAX_PATIENCE = 20

/** Where log lines go. */
export interface Destination {
  /** Must neither throw nor block. */
  write(line: string): void
  /** Lines that were lost because nobody took them in time, or nobody could. */
  readonly dropped?: number
  /** Resolves when all that was written has left. */
  close?(): Promise<void>
}

/**
 * Data goes to standard output, words go here. Asynchronous and bounded: a reader that has stopped reading, or is gone,
 * costs lines and never stops the bus. A process that ends writes what is left, if it can be written at once: pino's own
 * destination (sonic-boom 4.2) would then try for ever where the disk is full.
 */
export class StandardError implements Destination {
  readonly #runtime: Runtime
  readonly #atExit = () => this.#writeNow()
  #waiting: string[] = []
  #waitingBytes = 0
  /** What is being written, or could not be. */
  #chunk: Uint8Array = new Uint8Array()
  #state: 'idle' | 'writing' | 'pausing' = 'idle'
  #problem: string | undefined
  #dropped = 0
  #idle: (() => void) | undefined

  constructor(runtime: Runtime) {
    this.#runtime = runtime
    process.once('exit', this.#atExit)
  }

  get dropped(): number {
    return this.#dropped
  }

  write(line: string): void {
    const bytes = Buffer.byteLength(line)
    if (this.#problem === 'EPIPE' || this.#waitingBytes + bytes > MAX_WAITING_BYTES) {
      this.#dropped++
      return
    }
    this.#waiting.push(line)
    this.#waitingBytes += bytes
    // What could not be written goes once more with each line: a full disk may get room.
    if (this.#state === 'idle') this.#next()
  }

  async close(): Promise<void> {
    if (this.#state !== 'idle') {
      await new Promise<void>((resolve) => {
        this.#idle = resolve
      })
    }
    process.off('exit', this.#atExit)
  }

  #next(): void {
    this.#take()
    this.#state = 'writing'
    write(STANDARD_ERROR, this.#chunk, (error, written) => this.#wrote(error, written))
  }

  #wrote(error: NodeJS.ErrnoException | null, written: number): void {
    if (error?.code === 'EAGAIN') {
      this.#state = 'pausing'
      this.#runtime.after(PATIENCE_MS, () => this.#next())
      return
    }
    this.#problem = error?.code
    if (!error) {
      this.#left(written)
      if (this.#waitingBytes > 0) {
        this.#next()
        return
      }
    }
    this.#state = 'idle'
    this.#idle?.()
  }

  /** One chunk of all that waits, unless there is one. */
  #take(): void {
    if (this.#chunk.length > 0) return
    this.#chunk = Buffer.from(this.#waiting.join(''))
    this.#waiting = []
  }

  #left(bytes: number): void {
    this.#chunk = this.#chunk.subarray(bytes)
    this.#waitingBytes -= bytes
  }

  /** There is no event loop any more. What is under way may have been written or not: it is left alone. */
  #writeNow(): void {
    if (this.#state === 'writing') this.#left(this.#chunk.length)
    for (let patience = MAX_PATIENCE; this.#waitingBytes > 0 && patience > 0; ) {
      this.#take()
      try {
        this.#left(writeSync(STANDARD_ERROR, this.#chunk))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return
        patience--
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PATIENCE_MS)
      }
    }
  }
}
