/**
 * A store in which a million messages wait for somebody absent, beside one in which none do, in turn and in one run:
 * how soon a restarted instance is ready, what memory it takes, and what a message that passes meanwhile costs.
 * `npm run bench:backlog`. Believe the ratios; the absolute figures are this machine's, of this minute.
 *
 * BENCH_PENDING (1000000), BENCH_MESSAGES (20000), BENCH_ROUNDS (3)
 */
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { systemRuntime } from '../../core/index.ts'
import { FanOutLog } from '../../core/log.ts'
import { messageMaker } from '../../core/testing/index.ts'
import { SqliteStore } from '../../plugins/stores/sqlite/index.ts'
import { Child } from './child.ts'
import { load } from './load.ts'
import { median } from './median.ts'

const PENDING = Number(process.env.BENCH_PENDING ?? 1_000_000)
const COUNT = Number(process.env.BENCH_MESSAGES ?? 20_000)
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 3)
const WARM_UP = 2_000
const BATCH = 2_000
const FILLER = JSON.stringify('x'.repeat(250))

interface Result {
  /** From the start of the process until it listens, in milliseconds. */
  readonly ready: number
  /** CPU time of a message, in microseconds. */
  readonly cpu: number
  /** Resident memory when ready, and after the load, in megabytes. */
  readonly restarted: number
  readonly loaded: number
}

/** A file of an instance that knows somebody absent, for whom so many messages wait. */
async function prepare(path: string, pending: number): Promise<void> {
  const store = new SqliteStore({ path, maxBytes: 10 * 1024 ** 3, log: new FanOutLog() })
  await store.open({ runtime: systemRuntime, instanceId: 'node-1' })
  const absent = { name: 'absent', role: 'client', tags: ['bench'], clusterGroupId: undefined, url: undefined } as const
  const key = await store.saveRecipient({ ...absent, lastSeenAt: systemRuntime.now() })
  const make = messageMaker()
  for (let done = 0; done < pending; done += BATCH) {
    const entries = Array.from({ length: Math.min(BATCH, pending - done) }, (_, index) => {
      const own = `order:${(done + index) % 1_000}`
      return { message: make({ key: own, orderingKey: own, value: FILLER }), recipients: [key] }
    })
    await store.write({ entries, settlements: [], retries: [], deaths: [] })
  }
  await store.close()
}

async function measure(prepared: string): Promise<Result> {
  // A folder for each run: a write-ahead log that the last one left would be taken for this file's own.
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-bench-run-'))
  const path = join(folder, 'run.db')
  await copyFile(prepared, path)
  const began = performance.now()
  const child = await Child.start('./slipstream-node.ts', ['node-1', path, 'applying', 'linked'])
  const ready = performance.now() - began
  try {
    const { memory: restarted } = await child.usage()
    await load(child.address, child.address, { count: WARM_UP })
    const { cpu: before } = await child.usage()
    await load(child.address, child.address, { count: COUNT })
    const { cpu, memory } = await child.usage()
    return { ready, cpu: (cpu - before) / COUNT, restarted: restarted / 2 ** 20, loaded: memory / 2 ** 20 }
  } finally {
    await child.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

const folder = await mkdtemp(join(tmpdir(), 'slipstream-bench-'))
try {
  const stores = new Map([
    ['0', join(folder, 'empty.db')],
    [String(PENDING), join(folder, 'full.db')],
  ])
  for (const [pending, path] of stores) await prepare(path, Number(pending))
  const results = new Map<string, Result[]>([...stores.keys()].map((pending) => [pending, []]))
  for (let round = 0; round < ROUNDS; round++) {
    for (const [pending, path] of stores) results.get(pending)?.push(await measure(path))
  }
  const of = (pending: string, figure: keyof Result) =>
    median((results.get(pending) ?? []).map((result) => result[figure]))
  console.log(`${COUNT} messages of about 400 bytes, ${ROUNDS} rounds, medians\n`)
  console.log('| pending | ready ms | RSS MB when ready | RSS MB under load | CPU µs/message |')
  console.log('| --- | --- | --- | --- | --- |')
  for (const pending of stores.keys()) {
    const [ready, cpu] = [of(pending, 'ready').toFixed(0), of(pending, 'cpu').toFixed(1)]
    const memory = [of(pending, 'restarted').toFixed(0), of(pending, 'loaded').toFixed(0)]
    console.log(`| ${[pending, ready, ...memory, cpu].join(' | ')} |`)
  }
  const full = String(PENDING)
  const later = of(full, 'ready') - of('0', 'ready')
  const ratio = of(full, 'cpu') / of('0', 'cpu')
  const memory = `${of(full, 'loaded').toFixed(0)} (goal < 256)`
  console.log(
    `| full beside empty | + ${later.toFixed(0)} (goal ≤ 5000) | | ${memory} | ${ratio.toFixed(2)} × (goal ≤ 1.25) |`,
  )
} finally {
  await rm(folder, { recursive: true, force: true })
}
