import assert from 'node:assert/strict'
import { digestOf } from '../../state/digest.ts'
import { join } from '../../state/join.ts'
import type { StateEntry } from '../../state.ts'
import { ManualRuntime } from '../manual-runtime.ts'
import { array, deleted, joinedBy, letters, type StateTrial, type TryingState, value, weights } from '../state-trial.ts'

const WRITES = 400
const KEYS = 12
const VERSIONS = 60

/** Any writes in any order, held against the one definition of joining. */
export const convergingCases: Readonly<Record<string, TryingState>> = {
  async 'holds the same entries and digests after the same writes, in any order and some of them twice'(trial) {
    await trial.open()
    const runtime = new ManualRuntime({ seed: 7 })
    const writes = Array.from({ length: WRITES }, () => anyWrite(runtime))
    const expected = entriesOf(writes)
    await joinInBatches(trial, shuffled([...writes, ...writes.slice(0, WRITES / 4)], runtime), runtime)
    assert.deepEqual(byPlace(await trial.all()), expected)
    const ofEntries = [...expected.values()].reduce((sum, entry) => sum ^ asBigint(entry), 0n)
    const ofBuckets = [...(await trial.digests()).values()].reduce((sum, digest) => sum ^ digest, 0n)
    assert.equal(ofBuckets, ofEntries)
  },

  async 'joins what another backend holds as it joins writes'(trial) {
    await trial.open()
    const runtime = new ManualRuntime({ seed: 11 })
    const writes = Array.from({ length: WRITES }, () => anyWrite(runtime))
    const others = entriesOf(writes.filter((_, index) => index % 3 !== 0))
    await joinInBatches(
      trial,
      writes.filter((_, index) => index % 2 === 0),
      runtime,
    )
    await trial.join(...others.values())
    await trial.join(...others.values())
    const joined = writes.filter((_, index) => index % 2 === 0 || index % 3 !== 0)
    assert.deepEqual(byPlace(await trial.all()), entriesOf(joined))
  },
}

function anyWrite(runtime: ManualRuntime): StateEntry {
  const below = (limit: number) => Math.floor(runtime.random() * limit)
  const key = `key-${below(KEYS)}`
  const n = below(VERSIONS)
  // A stamp stands for one write: what it says follows from it.
  const kind = (n * 7 + key.length) % 5
  if (kind === 0) return value(key, n)
  if (kind === 1) return array(key, n)
  if (kind === 2) return n % 3 === 0 ? deleted(key, n) : letters(key, n, String.fromCharCode(97 + (n % 26)))
  const members = Array.from({ length: 1 + (n % 3) }, (_, index) => [
    `member-${(n + index) % 5}`,
    n % 4 ? `${n}.10` : null,
  ])
  return weights(key, n, Object.fromEntries(members))
}

async function joinInBatches(trial: StateTrial, writes: readonly StateEntry[], runtime: ManualRuntime): Promise<void> {
  for (let next = 0; next < writes.length; ) {
    const size = 1 + Math.floor(runtime.random() * 20)
    await trial.join(...writes.slice(next, next + size))
    next += size
  }
}

function entriesOf(writes: readonly StateEntry[]): ReadonlyMap<string, StateEntry> {
  const entries = new Map<string, StateEntry>()
  for (const write of writes) {
    const place = `${write.space} ${write.key}`
    entries.set(place, join(entries.get(place), write, joinedBy).entry)
  }
  return byPlace([...entries.values()])
}

function byPlace(entries: readonly StateEntry[]): ReadonlyMap<string, StateEntry> {
  const places = entries.map((entry) => [`${entry.space} ${entry.key}`, entry] as const)
  return new Map(places.sort(([one], [other]) => (one < other ? -1 : 1)))
}

function shuffled<Item>(items: readonly Item[], runtime: ManualRuntime): readonly Item[] {
  return items
    .map((item) => [runtime.random(), item] as const)
    .sort(([one], [other]) => one - other)
    .map(([, item]) => item)
}

function asBigint(entry: StateEntry): bigint {
  const { high, low } = digestOf(entry)
  return (BigInt(high) << 32n) | BigInt(low)
}
