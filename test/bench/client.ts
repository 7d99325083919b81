/**
 * What the client library costs beside a loop over `ws`: held to the plain level it speaks the same frames, left alone it speaks the
 * linked one. One process publishes and handles, against one instance; in turn and in one run: `npm run bench:client`.
 * Believe the ratios; the absolute figures are this machine's, of this minute.
 *
 * BENCH_MESSAGES (10000), BENCH_ROUNDS (5)
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Child } from './child.ts'
import { median } from './median.ts'

const COUNT = Number(process.env.BENCH_MESSAGES ?? 10_000)
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5)
const WARM_UP = 2_000
const CONTENDERS = ['raw', 'plain', 'client'] as const

interface Result {
  readonly messagesPerSecond: number
  /** CPU time of the application, a message, in microseconds. */
  readonly cpu: number
}

async function application(kind: string, url: string): Promise<ChildProcess> {
  const script = fileURLToPath(new URL('./client-application.ts', import.meta.url))
  const child = fork(script, [kind, url], { execArgv: ['--import', 'tsx'] })
  await once(child, 'message')
  return child
}

async function measure(child: ChildProcess, count: number): Promise<Result> {
  child.send(count)
  const [result] = (await once(child, 'message')) as [Result]
  return result
}

const folder = await mkdtemp(join(tmpdir(), 'slipstream-bench-'))
const instance = await Child.start('./slipstream-node.ts', ['bench', join(folder, 'bench.db'), 'forwarding'])
const applications = new Map<string, ChildProcess>()
const results: Record<(typeof CONTENDERS)[number], Result[]> = { raw: [], plain: [], client: [] }
try {
  for (const kind of CONTENDERS) {
    const child = await application(kind, instance.address)
    // What the others publish would wait for it otherwise.
    await measure(child, WARM_UP)
    applications.set(kind, child)
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const [kind, child] of applications) results[kind as keyof typeof results].push(await measure(child, COUNT))
  }
} finally {
  for (const child of applications.values()) child.disconnect()
  await instance.stop()
  await rm(folder, { recursive: true, force: true })
}

console.log(`${COUNT} messages of about 400 bytes, published and handled, ${ROUNDS} rounds, medians\n`)
console.log('| application | messages/s | CPU µs/message |')
console.log('| --- | --- | --- |')
const of = (kind: keyof typeof results, figure: keyof Result) => median(results[kind].map((result) => result[figure]))
for (const kind of CONTENDERS) {
  console.log(`| ${kind} | ${of(kind, 'messagesPerSecond').toFixed(0)} | ${of(kind, 'cpu').toFixed(1)} |`)
}
for (const kind of ['plain', 'client'] as const) {
  const throughput = of(kind, 'messagesPerSecond') / of('raw', 'messagesPerSecond')
  const cpu = of(kind, 'cpu') / of('raw', 'cpu')
  console.log(`| ${kind} : raw | ${throughput.toFixed(2)} (goal ≥ 0.80) | ${cpu.toFixed(2)} |`)
}
