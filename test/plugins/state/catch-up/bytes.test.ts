import { hash } from 'node:crypto'
import { expect } from 'chai'
import { type StateBackend, type StateEntry, systemRuntime } from '../../../../core/index.ts'
import { backends, instance, until, value } from './support.ts'

const KEYS = Number(process.env.SLIPSTREAM_CATCH_UP_KEYS ?? 100_000)
/** One of so many keys differs. */
const ONE_IN = 10
const AT_ONCE = 1_000

/** A payment with 200 characters that nothing can make shorter. */
function payment(n: number, version: number): StateEntry {
  const note = hash('sha512', `${n} ${version}`, 'hex') + hash('sha512', `${version} ${n}`, 'hex').slice(0, 72)
  return value(`payment:${n}`, version, JSON.stringify({ id: n, note }))
}

/** Puts the payments into a state that no bus has opened; of some, a newer version. Returns how many bytes these are. */
async function fill(state: StateBackend, isNewer: (n: number) => boolean, version: number): Promise<number> {
  let differing = 0
  await state.open({ runtime: systemRuntime, joinedBy: () => undefined })
  for (let first = 0; first < KEYS; first += AT_ONCE) {
    const entries: StateEntry[] = []
    for (let n = first; n < Math.min(KEYS, first + AT_ONCE); n++) {
      const entry = payment(n, isNewer(n) ? version : 1)
      if (isNewer(n)) differing += sizeOf(entry)
      entries.push(entry)
    }
    await state.join(entries)
  }
  await state.close()
  return differing
}

/** What cannot but be moved: key, version, value. */
function sizeOf(entry: StateEntry): number {
  return entry.key.length + entry.version.length + ('value' in entry ? entry.value.length : 0)
}

describe('catch-up', () => {
  it(`of ${KEYS / ONE_IN} differing keys among ${KEYS} moves less than twice the bytes that differ`, async function () {
    this.timeout(30_000 + KEYS * 2)
    const { sqlite } = backends as { sqlite: NonNullable<(typeof backends)['sqlite']> }
    const [atA, atB] = [sqlite(), sqlite()]
    const isOneOf = (place: number) => (n: number) => n % (2 * ONE_IN) === place
    const differing = (await fill(atA, isOneOf(0), 2)) + (await fill(atB, isOneOf(1), 3))
    const b = await instance('b', atB)
    const a = await instance('a', atA, [b])
    const figures = () => a.kernel.use('catchUp').figures
    await until(() => figures().completed > 0, 15_000 + KEYS)
    expect(await atA.digests()).to.deep.equal(await atB.digests())
    const each = KEYS / ONE_IN / 2
    expect(figures()).to.include({ sent: each, received: each, failed: 0 })
    expect(figures().bytes).to.be.lessThan(2 * differing)
  })
})
