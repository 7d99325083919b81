import { say } from '../output.ts'
import { draw, eventLine, type Snapshot, statusLine } from './view.ts'

/** No cursor, and no line that wraps: the count of lines to go back would be wrong. */
const BEGIN = '\u001b[?25l\u001b[?7l'
const END = '\u001b[?7h\u001b[?25h'
const CLEAR_BELOW = '\u001b[J'

/** Seconds between two status lines where the picture cannot be redrawn. */
const STATUS_EVERY = 2

/** Shows how the demo goes on. */
export interface Screen {
  show(snapshot: Snapshot): void
  /** Leaves the terminal as it was found. Calling it twice does nothing. */
  close(): void
}

/** What is needed of a terminal. */
export type Terminal = Pick<NodeJS.WriteStream, 'rows' | 'write'>

/** Redraws the picture in place, on a terminal. */
export function liveScreen(stream: Terminal): Screen {
  let height = 0
  let open = true
  stream.write(BEGIN)
  return {
    show(snapshot) {
      // Nor may the picture scroll.
      const lines = draw(snapshot).slice(0, Math.max(1, stream.rows - 1))
      const back = height > 0 ? `\u001b[${height}A` : ''
      stream.write(`${back}\r${CLEAR_BELOW}${lines.join('\n')}\n`)
      height = lines.length
    },
    close() {
      if (open) stream.write(END)
      open = false
    },
  }
}

/** Writes what happens as lines, and every other second how things stand. */
export function plainScreen(write: (line: string) => void = say): Screen {
  let told = 0
  let next = 0
  return {
    show(snapshot) {
      for (const event of snapshot.events.slice(told)) write(eventLine(event))
      told = snapshot.events.length
      if (snapshot.elapsed < next) return
      next = snapshot.elapsed + STATUS_EVERY
      write(`  ${statusLine(snapshot)}`)
    },
    close() {},
  }
}
