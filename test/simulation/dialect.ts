import type { Level } from '../../core/index.ts'
import type { Line, Target } from '../../core/protocol/line.ts'
import { hopFrame } from '../../core/protocol/plain.ts'
import { readLine, splitFrame } from '../../core/protocol/read-frame.ts'

/** Of a line that could not be read. */
const UNKNOWN: readonly (string | undefined)[] = [undefined]

/**
 * What one end of a wire says, in frames of the plain level, whichever level it speaks: observers understand that one, and
 * every promise is the same on both.
 */
export class Dialect {
  readonly #level: Level
  /** Messages that this end has sent, by their numbers. */
  readonly #numbered = new Map<number, string>()

  constructor(level: Level) {
    this.#level = level
  }

  /** @param answered what the other end says: answers name messages of that one */
  plainly(frame: string, answered: Dialect): readonly string[] {
    if (this.#level === 'plain') return [frame]
    return splitFrame(frame).flatMap((text) => {
      const line = readLine(text)
      return line ? this.#line(line, answered) : []
    })
  }

  #line(line: Line, answered: Dialect): readonly string[] {
    if (line.kind === 'message') return [this.#message(line)]
    if (line.kind === 'ack') {
      return line.acked.flatMap(({ target }) =>
        answered.#idsOf(target).map((messageId) => JSON.stringify({ type: 'ACK', messageId })),
      )
    }
    if (line.kind === 'nack') {
      const { code, reason, retryable, retryAfterMs } = line
      const idsOf = (target: Target | '*') => (target === '*' ? UNKNOWN : answered.#idsOf(target))
      return line.targets
        .flatMap(idsOf)
        .map((messageId) => JSON.stringify({ type: 'NACK', messageId, code, reason, retryable, retryAfterMs }))
    }
    return [JSON.stringify({ type: 'HELLO', ...line })]
  }

  #message({ number, path, text }: Extract<Line, { kind: 'message' }>): string {
    const { messageId } = JSON.parse(text) as { messageId?: string }
    if (number > 0) this.#numbered.set(number, messageId as string)
    return path.length === 0 ? text : hopFrame(path.slice(0, -1), text, path.at(-1) as string)
  }

  #idsOf(target: Target): readonly string[] {
    if ('id' in target) return [target.id]
    const ids: string[] = []
    for (let number = target.from; number <= target.to; number++) {
      const id = this.#numbered.get(number)
      if (id !== undefined) ids.push(id)
    }
    return ids
  }
}
