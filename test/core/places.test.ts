import { expect } from 'chai'
import { Places } from '../../core/places.ts'

const placesOf = (...places: number[]) => {
  const all = new Places()
  for (const place of places) all.add(place)
  return all
}

describe('places', () => {
  it('are in order however they came, each once', () => {
    const places = placesOf(5, 1, 9, 5, 7, 1)
    expect(places.size).to.equal(4)
    expect([places.add(8), places.add(9)]).to.deep.equal([true, false])
    expect([...places.take(2), '|', ...places.take(9), '|', ...places.take(1)]).to.deep.equal([1, 5, '|', 7, 8, 9, '|'])
  })

  it('are removed only where they are', () => {
    const places = placesOf(1, 5, 9)
    expect([0, 1, 4, 9, 10].map((place) => places.remove(place))).to.deep.equal([false, true, false, true, false])
    expect(places.take(9)).to.deep.equal([5])
    expect(places.remove(5)).to.equal(false)
  })

  it('follow each other in a circle', () => {
    const places = placesOf(1, 5, 9)
    expect([0, 1, 4, 5, 9, 10].map((place) => places.behind(place))).to.deep.equal([1, 5, 5, 9, 1, 1])
    places.clear()
    expect(places.behind(1)).to.equal(undefined)
  })

  it('are as a sorted set, whatever is done to them', () => {
    let state = 7
    const random = (below: number) => {
      state = (state * 48_271) % 2_147_483_647
      return state % below
    }
    const places = new Places()
    const model = new Set<number>()
    const sorted = () => [...model].sort((one, other) => one - other)
    for (let step = 0; step < 5_000; step++) {
      const place = random(200)
      if (random(3) > 0) {
        expect(places.add(place)).to.equal(!model.has(place))
        model.add(place)
      } else {
        expect(places.remove(place)).to.equal(model.delete(place))
      }
      expect(places.behind(place)).to.equal(sorted().find((other) => other > place) ?? sorted()[0])
    }
    expect(places.take(200)).to.deep.equal(sorted())
  })
})
