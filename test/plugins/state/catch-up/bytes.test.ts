import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import type { StateEntry } from '../../../../core/index.ts'
import { agree, backends, filled, instance, until, value } from './support.ts'

const KEYS = Number(process.env.SLIPSTREAM_CATCH_UP_KEYS ?? 20_000)
/** One of so many keys differs. */
const ONE_IN = 10

describe('catch-up', () => {
  it(`of ${KEYS / ONE_IN} differing keys among ${KEYS} moves less than twice the bytes that differ`, async function () {
    this.timeout(20_000 + KEYS * 2)
    const { sqlite } = backends as { sqlite: NonNullable<(typeof backends)['sqlite']> }
    const payment = (n: number, version: number) =>
      value(`payment:${n}`, version, JSON.stringify({ id: n, note: randomBytes(100).toString('hex') }))
    const same = Array.from({ length: KEYS }, (_, n) => payment(n, 1))
    const changed = (every: number, version: number) =>
      same.filter((_, n) => n % (2 * ONE_IN) === every).map((_, index) => payment(index * 2 * ONE_IN + every, version))
    const [atA, atB] = [changed(0, 2), changed(1, 3)]
    const b = await instance('b', await filled(sqlite(), ...same, ...atB))
    const a = await instance('a', await filled(sqlite(), ...same, ...atA), [b])
    const figures = () => a.kernel.use('catchUp').figures
    await until(() => figures().completed > 0, 15_000 + KEYS)
    expect(await agree(a, b)).to.equal(true)
    expect(figures()).to.include({ sent: atA.length, received: atB.length, failed: 0 })
    const differing = [...atA, ...atB].reduce((sum, entry) => sum + sizeOf(entry), 0)
    expect(figures().bytes).to.be.lessThan(2 * differing)
  })
})

/** What cannot but be moved: key, version, value. */
function sizeOf(entry: StateEntry): number {
  return entry.key.length + entry.version.length + ('value' in entry ? entry.value.length : 0)
}
