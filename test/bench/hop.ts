/**
 * One hop and two hops: the bare loop, slipstream that only forwards, on the plain level and on the linked one, and slipstream
 * as it is installed, which keeps state too; in turn and in one run: `npm run bench`. The publisher and the consumer speak the
 * plain level, but in the row `linked`, where nobody does.
 * Believe the ratios; the absolute figures are this machine's, of this minute.
 *
 * BENCH_MESSAGES (20000), BENCH_ROUNDS (3)
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Level } from '../../core/index.ts'
import { Child } from './child.ts'
import { load } from './load.ts'
import { median } from './median.ts'

const COUNT = Number(process.env.BENCH_MESSAGES ?? 20_000)
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 3)
const WARM_UP = 2_000

interface Result {
  readonly messagesPerSecond: number
  /** Of the slowest to the busiest: CPU time of all hops together, a message, in microseconds. */
  readonly cpu: number
  readonly p50: number
  readonly p99: number
  readonly megabytes: number
}

interface Contender {
  start(folder: string, nextHop: string | undefined, index: number): Promise<Child>
  /** What the publisher and the consumer speak. */
  readonly level: Level
}

const contenders: Readonly<Record<string, Contender>> = {
  bare: {
    start: (folder, next, index) =>
      Child.start('./bare-node.ts', [join(folder, `bare${index}.db`), ...(next ? [next] : [])]),
    level: 'plain',
  },
  plain: slipstream('forwarding', 'plain', 'plain'),
  linked: slipstream('forwarding', 'linked', 'linked'),
  forwarding: slipstream('forwarding', 'linked', 'plain'),
  slipstream: slipstream('applying', 'linked', 'plain'),
}

function slipstream(does: 'forwarding' | 'applying', best: Level, level: Level): Contender {
  return {
    start(folder, next, index) {
      const args = [`node-${index}`, join(folder, `${does}-${best}-${index}.db`), does, best]
      return Child.start('./slipstream-node.ts', [...args, ...(next ? [next] : [])])
    },
    level,
  }
}

async function measure({ start, level }: Contender, hops: number): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-bench-'))
  const children: Child[] = []
  try {
    for (let index = hops; index > 0; index--) children.unshift(await start(folder, children[0]?.address, index))
    const [entry, exit] = [children[0], children.at(-1)] as [Child, Child]
    await load(entry.address, exit.address, { count: WARM_UP, level })
    const before = await cpuOf(children)
    const { messagesPerSecond } = await load(entry.address, exit.address, { count: COUNT, level })
    const cpu = ((await cpuOf(children)) - before) / COUNT
    const megabytes =
      Math.max(...(await Promise.all(children.map((child) => child.usage()))).map(({ memory }) => memory)) / 2 ** 20
    const { p50, p99 } = await load(entry.address, exit.address, {
      count: Math.min(COUNT, 3_000),
      rate: 1_000,
      level,
    })
    return { messagesPerSecond, cpu, p50, p99, megabytes }
  } finally {
    await Promise.all(children.map((child) => child.stop()))
    await rm(folder, { recursive: true, force: true })
  }
}

async function cpuOf(children: readonly Child[]): Promise<number> {
  const usages = await Promise.all(children.map((child) => child.usage()))
  return usages.reduce((sum, { cpu }) => sum + cpu, 0)
}

console.log(`${COUNT} messages of about 400 bytes, ${ROUNDS} rounds, medians; latency at 1,000 messages a second\n`)
console.log('| hops | node | messages/s | CPU µs/message | p50 ms | p99 ms | RSS MB |')
console.log('| --- | --- | --- | --- | --- | --- | --- |')
for (const hops of [1, 2]) {
  const results = new Map<string, Result[]>(Object.keys(contenders).map((name) => [name, []]))
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, contender] of Object.entries(contenders)) results.get(name)?.push(await measure(contender, hops))
  }
  const of = (name: string, figure: keyof Result) => median((results.get(name) ?? []).map((result) => result[figure]))
  for (const name of Object.keys(contenders)) {
    const row = [of(name, 'messagesPerSecond').toFixed(0), of(name, 'cpu').toFixed(1), of(name, 'p50').toFixed(1)]
    console.log(
      `| ${hops} | ${name} | ${row.join(' | ')} | ${of(name, 'p99').toFixed(1)} | ${of(name, 'megabytes').toFixed(0)} |`,
    )
  }
  const throughput = of('forwarding', 'messagesPerSecond') / of('bare', 'messagesPerSecond')
  const cpu = of('forwarding', 'cpu') / of('bare', 'cpu')
  const applying = of('slipstream', 'cpu') / of('forwarding', 'cpu')
  console.log(
    `| ${hops} | forwarding : bare | ${throughput.toFixed(2)} (goal ≥ 0.40) | ${cpu.toFixed(2)} (goal ≤ 2.50) | | | |`,
  )
  const linked = of('linked', 'messagesPerSecond') / of('plain', 'messagesPerSecond')
  const linkedCpu = of('linked', 'cpu') / of('plain', 'cpu')
  console.log(`| ${hops} | linked : plain | ${linked.toFixed(2)} | ${linkedCpu.toFixed(2)} | | | |`)
  console.log(`| ${hops} | slipstream : forwarding | | ${applying.toFixed(2)} (goal ≤ 1.25) | | | |`)
}
