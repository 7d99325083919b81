import { expect } from 'chai'
import fc from 'fast-check'
import { Fifo } from '../../../core/client/fifo.ts'

describe('a fifo', () => {
  it('does what an array does', () => {
    const step = fc.oneof(
      fc.record({ push: fc.nat() }),
      fc.constant('shift' as const),
      fc.record({ first: fc.array(fc.nat(), { maxLength: 3 }) }),
    )
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: 0, maxLength: 3_000 }), fc.array(step), (begin, steps) => {
        const fifo = new Fifo(begin)
        const model = [...begin]
        for (let taken = 0; taken < begin.length - 5; taken++) expect(fifo.shift()).to.equal(model.shift())
        for (const one of steps) {
          if (one === 'shift') expect(fifo.shift()).to.equal(model.shift())
          else if ('push' in one) {
            fifo.push(one.push)
            model.push(one.push)
          } else {
            fifo.putFirst(one.first)
            model.unshift(...one.first)
          }
          expect(fifo.size).to.equal(model.length)
        }
        expect(fifo.clear()).to.deep.equal(model)
        expect(fifo.size).to.equal(0)
      }),
      { numRuns: 50 },
    )
  })
})
