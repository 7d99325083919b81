import { FULL_FRAME_BYTES, MAX_LINES } from './limits.ts'

/** Puts lines together until a frame is full. A line that is larger than that stands alone. */
export class FrameWriter {
  readonly #send: (frame: string) => void
  #lines: string[] = []
  #bytes = 0

  constructor(send: (frame: string) => void) {
    this.#send = send
  }

  /** What waits to be sent, in bytes. */
  get bytes(): number {
    return this.#bytes
  }

  /** Nothing comes behind a line that `endsFrame`. */
  add(line: string, bytes: number, endsFrame = false): void {
    const isFull = this.#bytes + bytes > FULL_FRAME_BYTES || this.#lines.length === MAX_LINES
    if (isFull) this.flush()
    this.#lines.push(line)
    // A line feed goes before each but the first.
    this.#bytes += bytes + 1
    if (endsFrame) this.flush()
  }

  flush(): void {
    if (this.#lines.length === 0) return
    const frame = this.#lines.join('\n')
    this.#lines = []
    this.#bytes = 0
    this.#send(frame)
  }
}
