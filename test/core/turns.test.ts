import { expect } from 'chai'
import { placeOf, Turns, turnOf } from '../../core/turns.ts'
import { delivery } from './support.ts'

const turnsOf = (...given: number[]) => {
  const all = new Turns()
  for (const turn of given) all.add(turn)
  return all
}

describe('turns', () => {
  it('are in order however they came, each once', () => {
    const turns = turnsOf(5, 1, 9, 5, 7, 1)
    expect(turns.size).to.equal(4)
    expect([turns.add(8), turns.add(9)]).to.deep.equal([true, false])
    expect([...turns.take(2), '|', ...turns.take(9), '|', ...turns.take(1)]).to.deep.equal([1, 5, '|', 7, 8, 9, '|'])
  })

  it('are removed only where they are', () => {
    const turns = turnsOf(1, 5, 9)
    expect([0, 1, 4, 9, 10].map((turn) => turns.remove(turn))).to.deep.equal([false, true, false, true, false])
    expect(turns.take(9)).to.deep.equal([5])
    expect(turns.remove(5)).to.equal(false)
  })

  it('follow each other in a circle', () => {
    const turns = turnsOf(1, 5, 9)
    expect([0, 1, 4, 5, 9, 10].map((turn) => turns.behind(turn))).to.deep.equal([1, 5, 5, 9, 1, 1])
    turns.clear()
    expect(turns.behind(1)).to.equal(undefined)
  })

  it('are by lane first, the ninth before all, and tell their places', () => {
    const last = Number.MAX_SAFE_INTEGER
    const places = [1, 2, 2 ** 31, 2 ** 49 - 1]
    const turns = [9, 8, 4, 0].flatMap((lane) => places.map((seq) => turnOf({ ...delivery(seq), lane })))
    expect(turns).to.deep.equal([...turns].sort((one, other) => one - other))
    expect(new Set(turns).size).to.equal(16)
    expect(turns.every((turn) => turn < last)).to.equal(true)
    expect(turns.map(placeOf)).to.deep.equal([...places, ...places, ...places, ...places])
  })

  it('are as a sorted set, whatever is done to them', () => {
    let state = 7
    const random = (below: number) => {
      state = (state * 48_271) % 2_147_483_647
      return state % below
    }
    const turns = new Turns()
    const model = new Set<number>()
    const sorted = () => [...model].sort((one, other) => one - other)
    for (let step = 0; step < 5_000; step++) {
      const turn = random(200)
      if (random(3) > 0) {
        expect(turns.add(turn)).to.equal(!model.has(turn))
        model.add(turn)
      } else {
        expect(turns.remove(turn)).to.equal(model.delete(turn))
      }
      expect(turns.behind(turn)).to.equal(sorted().find((other) => other > turn) ?? sorted()[0])
    }
    expect(turns.take(200)).to.deep.equal(sorted())
  })
})
