import type { Hello } from './hello.ts'
import { MAX_TARGETS } from './limits.ts'
import type { Acked, Refused, Target } from './line.ts'

/** The line of a message. `path` ends with whoever sends it. One that bears a line feed must be the last of its frame. */
export function printMessage(number: number, path: readonly string[], text: string): string {
  return `${endsFrame(text) ? 'W' : 'M'}${number} ${path.join(',')} ${text}`
}

/** Whether a message of that text must be the last of its frame. */
export function endsFrame(text: string): boolean {
  return text.includes('\n')
}

/** As many lines as it takes. */
export function printAck(acked: readonly Acked[]): readonly string[] {
  return inLines(acked, (some) => `A ${some.map(printAcked).join(',')}`)
}

/** As many lines as it takes. */
export function printNack(targets: readonly (Target | '*')[], refused: Refused): readonly string[] {
  const { code, reason, retryable, retryAfterMs = '' } = refused
  const words = reason.replaceAll('\n', ' ')
  const retry = retryable ? `+${retryAfterMs}` : '-'
  return inLines(targets, (some) => `N ${some.map(printTarget).join(',')} ${code} ${retry} ${words}`)
}

export function printCredit(messages: number, bytes: number): string {
  return `C ${messages} ${bytes}`
}

export function printPulse(time: number, agrees: number): string {
  return `P ${time} ${agrees}`
}

export function printHello(hello: Hello): string {
  return `H ${JSON.stringify(hello)}`
}

/** Neighbours that are answered alike become one range. */
export function inRanges<Answer>(
  answers: readonly { readonly number: number; readonly answer: Answer }[],
  alike: (one: Answer, other: Answer) => boolean,
): readonly { readonly target: { from: number; to: number }; readonly answer: Answer }[] {
  const ranges: { target: { from: number; to: number }; answer: Answer }[] = []
  for (const { number, answer } of answers) {
    const last = ranges.at(-1)
    if (last && last.target.to + 1 === number && alike(last.answer, answer)) last.target.to = number
    else ranges.push({ target: { from: number, to: number }, answer })
  }
  return ranges
}

function printAcked({ target, recipients, duplicate }: Acked): string {
  const told = recipients === undefined ? '' : `/${recipients}${duplicate ? 'd' : ''}`
  return `${printTarget(target)}${told}`
}

function printTarget(target: Target | '*'): string {
  if (target === '*') return target
  if ('id' in target) return `=${target.id}`
  return target.from === target.to ? String(target.from) : `${target.from}-${target.to}`
}

function inLines<Item>(items: readonly Item[], print: (some: readonly Item[]) => string): readonly string[] {
  const lines: string[] = []
  for (let at = 0; at < items.length; at += MAX_TARGETS) lines.push(print(items.slice(at, at + MAX_TARGETS)))
  return lines
}
