import { expect } from 'chai'
import { PeerClock } from '../../core/peer-clock.ts'

const HOUR_MS = 3_600_000
const WINDOW_MS = 30_000
const MAX_AGE_MS = 5 * 60_000

/** A peer whose clock is ahead of ours by so much; ours shows what the clock that only grows shows. */
const aheadBy = (ms: number, at: number) => at + ms

describe("a peer's clock", () => {
  it('is unknown until something is heard of it', () => {
    expect(new PeerClock().aheadOf(0, 0)).to.equal(undefined)
  })

  it('is as far ahead as it says', () => {
    const clock = new PeerClock()
    clock.told(aheadBy(HOUR_MS, 1_000), 2, 1_000)
    expect(clock.aheadOf(6_000, 6_000)).to.equal(HOUR_MS)
    expect([clock.tells, clock.agrees]).to.deep.equal([true, 2])
  })

  it('is judged by the word that was on its way for the shortest time', () => {
    const clock = new PeerClock()
    for (const [at, delay] of [
      [1_000, 900],
      [5_000, 20],
      [9_000, 4_000],
      [35_000, 8_000],
    ] as const) {
      clock.told(aheadBy(HOUR_MS, at - delay), 0, at)
    }
    expect(clock.aheadOf(40_000, 40_000)).to.equal(HOUR_MS - 20)
  })

  it('is followed when it is set back, once two windows are over', () => {
    const clock = new PeerClock()
    clock.told(aheadBy(HOUR_MS, 0), 0, 0)
    for (let at = 15_000; at <= 2 * WINDOW_MS; at += 15_000) clock.told(aheadBy(0, at), 0, at)
    expect(clock.aheadOf(2 * WINDOW_MS, 2 * WINDOW_MS)).to.equal(0)
  })

  it('is followed at once when it is set forward, or when this side sets its own', () => {
    const clock = new PeerClock()
    clock.told(aheadBy(0, 1_000), 0, 1_000)
    clock.told(aheadBy(HOUR_MS, 2_000), 0, 2_000)
    expect(clock.aheadOf(3_000, 3_000)).to.equal(HOUR_MS)
    expect(clock.aheadOf(3_000 + HOUR_MS, 3_000)).to.equal(0)
  })

  it('is unknown again when nothing was heard for long', () => {
    const clock = new PeerClock()
    clock.heard(aheadBy(HOUR_MS, 0), 0)
    expect(clock.aheadOf(MAX_AGE_MS, MAX_AGE_MS)).to.equal(HOUR_MS)
    expect(clock.aheadOf(MAX_AGE_MS + 1, MAX_AGE_MS + 1)).to.equal(undefined)
    clock.heard(aheadBy(1_000, MAX_AGE_MS + 2), MAX_AGE_MS + 2)
    expect(clock.aheadOf(MAX_AGE_MS + 3, MAX_AGE_MS + 3), 'what was heard before counts no more').to.equal(1_000)
  })

  it('is what it says, not what was guessed before it spoke', () => {
    const clock = new PeerClock()
    clock.heard(aheadBy(HOUR_MS, 0), 0)
    clock.told(aheadBy(5, 1), 0, 1)
    expect(clock.aheadOf(2, 2)).to.equal(5)
  })
})
