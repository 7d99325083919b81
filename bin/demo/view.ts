import { pad, paint, table } from '../output.ts'
import type { Counts } from './ledger.ts'

export type State = 'starting' | 'up' | 'killed' | 'catching up'

export interface RegionView extends Counts {
  readonly name: string
  readonly state: State
  /** Milliseconds; undefined before the first message. */
  readonly p50: number | undefined
  readonly p99: number | undefined
  /** What waited for it at each of the last moments, oldest first. */
  readonly history: readonly number[]
}

export interface DemoEvent {
  readonly seconds: number
  readonly text: string
}

export interface Snapshot {
  readonly elapsed: number
  readonly seconds: number
  readonly regions: readonly [RegionView, RegionView, RegionView]
  /** Whether the first and second, second and third, third and first are linked. */
  readonly links: readonly [boolean, boolean, boolean]
  readonly events: readonly DemoEvent[]
}

const LOOKS = {
  starting: ['yellow', '○'],
  up: ['green', '●'],
  killed: ['red', '✖'],
  'catching up': ['yellow', '◐'],
} as const

/** The whole picture, as lines. */
export function draw({ elapsed, seconds, regions, links, events }: Snapshot): readonly string[] {
  const clock = `${Math.min(elapsed, seconds).toFixed(0)} of ${seconds} s`
  return [
    '',
    `  ${paint('bold', 'slipstream')}  three regions, one ring${pad('', 30)}${paint('gray', clock)}`,
    '',
    ...ring(regions, links),
    '',
    ...figures(regions).split('\n'),
    '',
    ...events.map(eventLine),
    '',
  ]
}

/** One line for output that is no terminal. */
export function statusLine({ elapsed, regions }: Snapshot): string {
  const parts = regions.map(({ name, state, published, received, waiting }) => {
    return `${name} ${state}: ${published} published, ${received} received, ${waiting} waiting`
  })
  return `${time(elapsed)}  ${parts.join(' | ')}`
}

export function eventLine({ seconds, text }: DemoEvent): string {
  return `  ${paint('gray', time(seconds))}  ${text}`
}

function ring([one, two, three]: Snapshot['regions'], [first, second, third]: Snapshot['links']): string[] {
  const at = (column: number, text: string) => pad('', column) + text
  const name = ({ name: text }: RegionView) => paint('bold', text)
  return [
    at(26, `${dot(one)} ${name(one)}`),
    at(24, `${line(first, '╱')}   ${line(third, '╲')}`),
    at(22, `${line(first, '╱')}       ${line(third, '╲')}`),
    at(18, `${dot(two)} ${line(second, '━━━━━━━━━━━━━')} ${dot(three)}`),
    at(16, `${pad(name(two), 16)}${name(three)}`),
  ]
}

function dot({ state }: RegionView): string {
  const [colour, sign] = LOOKS[state]
  return paint(colour, sign)
}

function line(up: boolean, text: string): string {
  return up ? paint('green', text) : paint('red', '·'.repeat(text.length))
}

/** Narrow enough for a terminal of 80 columns. */
function figures(regions: readonly RegionView[]): string {
  const heads = ['', '  REGION', 'SENT', 'ACKED', 'RECEIVED', 'P50', 'P99', 'WAITING', '']
  return table([heads.map((head) => paint('gray', head)), ...regions.map(row)])
}

function row(region: RegionView): string[] {
  const { name, state, published, acknowledged, received, p50, p99, waiting, history } = region
  return [
    '',
    `${dot(region)} ${paint('bold', name)}`,
    ...[published, acknowledged, received].map((count) => pad(String(count), 5)),
    ...[p50, p99].map(milliseconds),
    String(waiting),
    paint(state === 'up' ? 'gray' : 'yellow', sparks(history)),
  ]
}

function milliseconds(value: number | undefined): string {
  return pad(value === undefined ? '–' : `${value.toFixed(1)} ms`, 8)
}

/** A curve of eight heights. */
function sparks(values: readonly number[]): string {
  const highest = Math.max(8, ...values)
  return values.map((value) => '▁▂▃▄▅▆▇█'[Math.min(7, Math.floor((value / highest) * 8))] ?? '').join('')
}

function time(seconds: number): string {
  return `${seconds.toFixed(1).padStart(5)} s`
}
