import { expect } from 'chai'
import { timeOrderedId } from '../../../core/runtime/time-ordered-id.ts'

describe('a time-ordered id', () => {
  it('is a UUIDv7 that begins with its time', () => {
    const shape = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
    for (let n = 0; n < 1_000; n++) expect(timeOrderedId(n * 1_000_000_000)).to.match(shape)
    expect(timeOrderedId(0x1234_5678_9abc).startsWith('12345678-9abc-7')).to.equal(true)
  })

  it('sorts by time, and is never the same', () => {
    const ids = Array.from({ length: 20_000 }, (_, index) =>
      timeOrderedId(1_700_000_000_000 + Math.floor(index / 10_000)),
    )
    expect(new Set(ids).size).to.equal(ids.length)
    expect((ids[0] as string) < (ids[19_999] as string)).to.equal(true)
  })

  it('draws every bit that is left to chance', () => {
    const bits = Array.from({ length: 2_000 }, () => BigInt(`0x${timeOrderedId(0).replaceAll('-', '')}`))
    const always = bits.reduce((one, other) => one & other)
    const never = bits.reduce((one, other) => one | other)
    // 48 of time, 4 of version, 2 of variant.
    expect(always).to.equal((7n << 76n) | (2n << 62n))
    expect(never).to.equal((7n << 76n) | (0xfffn << 64n) | (2n << 62n) | ((1n << 62n) - 1n))
  })
})
