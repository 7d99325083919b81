import { ProtocolFault } from './fault.ts'
import { isId } from './fields.ts'
import { readHello } from './hello.ts'
import { MAX_LINES, MAX_PATH_LENGTH, MAX_TARGETS } from './limits.ts'
import type { Acked, AckLine, Line, MessageLine, NackLine, Target } from './line.ts'

/** The lines of a frame of the linked level. Throws a `ProtocolFault` when they are too many. */
export function splitFrame(frame: string): readonly string[] {
  const lines: string[] = []
  for (let start = 0; start < frame.length; ) {
    // The text of a message that stands last may hold anything.
    const end = frame[start] === 'W' ? -1 : frame.indexOf('\n', start)
    if (lines.length === MAX_LINES) throw new ProtocolFault('TOO_LARGE', `more than ${MAX_LINES} lines in a frame`)
    lines.push(end < 0 ? frame.slice(start) : frame.slice(start, end))
    if (end < 0) break
    start = end + 1
  }
  return lines
}

/** Reads one line; undefined when it says nothing to a reader of this version. Throws a `ProtocolFault`. */
export function readLine(line: string): Line | undefined {
  const kind = line[0]
  if (kind === 'M' || kind === 'W') return readMessage(line)
  if (kind === undefined || (kind >= 'a' && kind <= 'z')) return undefined
  if (line[1] !== ' ') throw invalid('a line begins with its kind and a space')
  const rest = line.slice(2)
  if (kind === 'A') return readAck(rest)
  if (kind === 'N') return readNack(rest)
  if (kind === 'C') return { kind: 'credit', ...readPair(rest, ['messages', 'bytes']) }
  if (kind === 'P') return { kind: 'pulse', ...readPair(rest, ['time', 'agrees']) }
  if (kind === 'H') return { kind: 'hello', hello: readHello(rest) }
  throw invalid('no such kind of line; send it only to who has named the capability')
}

function readMessage(line: string): MessageLine {
  const pathStart = line.indexOf(' ') + 1
  const textStart = line.indexOf(' ', pathStart) + 1
  if (pathStart === 0 || textStart === 0) throw invalid('a message is its number, its path and its text')
  return {
    kind: 'message',
    number: readCount(line.slice(1, pathStart - 1)),
    path: readPath(line.slice(pathStart, textStart - 1)),
    text: line.slice(textStart),
  }
}

function readPath(text: string): readonly string[] {
  if (text === '') return []
  const path = text.split(',', MAX_PATH_LENGTH + 1)
  if (path.length > MAX_PATH_LENGTH || !path.every(isId)) throw invalid('a path is up to 16 ids')
  return path
}

function readAck(text: string): AckLine {
  return { kind: 'ack', acked: itemsOf(text).map(readAcked) }
}

function readAcked(item: string): Acked {
  const slash = item.indexOf('/')
  if (slash < 0) return { target: readTarget(item) }
  const duplicate = item.endsWith('d')
  const recipients = readCount(item.slice(slash + 1, duplicate ? -1 : undefined))
  return { target: readTarget(item.slice(0, slash)), recipients, duplicate }
}

const nackPattern = /^([^ ]+) ([A-Z_]{1,64}) (-|\+[0-9]*) ([^\n]{0,4096})$/

function readNack(text: string): NackLine {
  const [, targets, code, retry, reason] = nackPattern.exec(text) ?? []
  if (targets === undefined || code === undefined || retry === undefined || reason === undefined) {
    throw invalid('a NACK is what it refuses, a code, - or +, and a reason')
  }
  return {
    kind: 'nack',
    targets: itemsOf(targets).map((item) => (item === '*' ? item : readTarget(item))),
    code,
    reason,
    retryable: retry !== '-',
    ...(retry.length > 1 && { retryAfterMs: readCount(retry.slice(1)) }),
  }
}

function itemsOf(text: string): readonly string[] {
  const items = text.split(',', MAX_TARGETS + 1)
  if (items.length > MAX_TARGETS) throw invalid(`more than ${MAX_TARGETS} are answered in one line`)
  return items
}

function readTarget(text: string): Target {
  if (text.startsWith('=')) {
    const id = text.slice(1)
    if (!isId(id)) throw invalid('= stands before an id')
    return { id }
  }
  const dash = text.indexOf('-')
  const from = readCount(dash < 0 ? text : text.slice(0, dash))
  const to = dash < 0 ? from : readCount(text.slice(dash + 1))
  if (from < 1 || to < from) throw invalid('a range goes up from 1')
  return { from, to }
}

function readPair<First extends string, Second extends string>(
  text: string,
  [first, second]: readonly [First, Second],
): Record<First | Second, number> {
  const space = text.indexOf(' ')
  if (space < 0) throw invalid(`${first} and ${second} stand beside each other`)
  return { [first]: readCount(text.slice(0, space)), [second]: readCount(text.slice(space + 1)) } as Record<
    First | Second,
    number
  >
}

const countPattern = /^(?:0|[1-9][0-9]{0,14})$/

function readCount(text: string): number {
  if (!countPattern.test(text)) throw invalid('a number has up to 15 digits')
  return Number(text)
}

function invalid(reason: string): ProtocolFault {
  return new ProtocolFault('INVALID_MESSAGE', `line not readable: ${reason}`)
}
