import { slipstreamError } from './errors.ts'

/** The subject of ids that publishers give: whoever publishes again under one is recognised by it. */
export const PUBLISHER_IDS = 'publisher-ids'

/** The subject of ids of messages whose effect happens at most once, such as a command: by them, it is known to have happened. */
export const EXECUTION_IDS = 'execution-ids'

/** The subject of deletions: an older write that comes while one is remembered does not undo it. */
export const DELETIONS = 'deletions'

/** What one declares of a subject: a time, and by what it can be changed. */
export interface Span {
  readonly milliseconds: number
  /** The option or setting that it comes from, such as `rememberIdsHours of store-sqlite`. */
  readonly from: string
}

/**
 * Where repetitions are recognised for a time only, that time must be longer than they can come. Everyone declares what they
 * know of a subject; it is compared once, before a socket opens.
 */
export class Windows {
  readonly #subjects = new Map<string, { remembered: Span[]; repeated: Span[]; kept: Span[] }>()

  /** A repetition is recognised for so long. Of several, the shortest counts. */
  remembers(subject: string, span: Span): void {
    this.#of(subject).remembered.push(span)
  }

  /** A repetition may come for so long. Of several, the longest counts. */
  repeats(subject: string, span: Span): void {
    this.#of(subject).repeated.push(span)
  }

  /** That by which a repetition is recognised is kept for so long. Of several, the shortest counts. */
  keeps(subject: string, span: Span): void {
    this.#of(subject).kept.push(span)
  }

  /** Throws `SLP_WINDOW_TOO_SHORT` or `SLP_WINDOW_NOT_KEPT` for the first subject that is at fault. */
  check(): void {
    for (const [subject, { remembered, repeated, kept }] of this.#subjects) {
      const window = shortest(remembered)
      const repetition = longest(repeated)
      if (window && repetition && window.milliseconds <= repetition.milliseconds) {
        throw slipstreamError('SLP_WINDOW_TOO_SHORT', [subject, said(window), said(repetition)])
      }
      const needed = longest(remembered)
      const held = shortest(kept)
      if (needed && held && held.milliseconds < needed.milliseconds) {
        throw slipstreamError('SLP_WINDOW_NOT_KEPT', [subject, said(held), said(needed)])
      }
    }
  }

  #of(subject: string) {
    const known = this.#subjects.get(subject) ?? { remembered: [], repeated: [], kept: [] }
    this.#subjects.set(subject, known)
    return known
  }
}

function shortest(spans: readonly Span[]): Span | undefined {
  return spans.toSorted(byLength)[0]
}

function longest(spans: readonly Span[]): Span | undefined {
  return spans.toSorted(byLength).at(-1)
}

function byLength(one: Span, other: Span): number {
  return one.milliseconds - other.milliseconds
}

function said({ milliseconds, from }: Span): { readonly time: string; readonly from: string } {
  return { time: duration(milliseconds), from }
}

const UNITS = [
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const

/** In the largest unit that needs no fraction. */
function duration(milliseconds: number): string {
  for (const [unit, size] of UNITS) {
    if (milliseconds > 0 && milliseconds % size === 0) return `${milliseconds / size} ${unit}`
  }
  return `${milliseconds} ms`
}
