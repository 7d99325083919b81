import { expect } from 'chai'
import fc from 'fast-check'
import { Recent } from '../../core/index.ts'

describe('what is recent', () => {
  it('is the newest as many as there is room for, and what is set again is the newest', () => {
    const recent = new Recent<number>(3)
    for (const key of ['a', 'b', 'c']) recent.set(key, 1)
    recent.set('a', 2)
    recent.set('d', 1)
    expect(['a', 'b', 'c', 'd'].map((key) => recent.get(key))).to.deep.equal([2, undefined, 1, 1])
    expect(recent.size).to.equal(3)
  })

  it('is over after its life, and makes room before that of others is taken', () => {
    let now = 0
    const recent = new Recent<number>(3, () => now)
    recent.set('short', 1, 10)
    recent.set('long', 1, 20)
    now = 9
    expect(recent.get('short')).to.equal(1)
    now = 10
    expect(recent.get('short')).to.equal(undefined)
    recent.set('c', 1, 20)
    recent.set('d', 1, 20)
    expect(['long', 'c', 'd'].map((key) => recent.get(key))).to.deep.equal([1, 1, 1])
  })

  it('makes room a little at a time', () => {
    let now = 0
    const recent = new Recent<number>(10, () => now)
    for (const key of ['a', 'b', 'c', 'd', 'e']) recent.set(key, 1, 10)
    now = 10
    recent.set('f', 1, 10)
    expect(recent.size).to.equal(4)
    expect(recent.oldest).to.equal(1)
    expect(recent.get('c')).to.equal(undefined)
  })

  it('goes one by one, and never ends', () => {
    const recent = new Recent<number>(2)
    expect(recent.dropOldest()).to.equal(false)
    for (const key of ['a', 'b']) recent.set(key, 1)
    expect([recent.dropOldest(), recent.dropOldest(), recent.dropOldest()]).to.deep.equal([true, true, false])
    recent.set('c', 1)
    recent.delete('c')
    for (const key of ['d', 'e', 'f']) recent.set(key, 1)
    expect(['c', 'd', 'e', 'f'].map((key) => recent.get(key))).to.deep.equal([undefined, undefined, 1, 1])
  })

  it('is what a list would say, whatever is set, deleted and dropped', () => {
    const step = fc.record({
      act: fc.constantFrom('set', 'set', 'delete', 'drop', 'pass'),
      key: fc.constantFrom(...KEYS),
      time: fc.integer({ min: 1, max: 9 }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let now = 0
        const subjects = [new Recent<number>(CAPACITY, () => now), new Listed(() => now)]
        for (const [value, { act, key, time }] of steps.entries()) {
          if (act === 'pass') now += time
          for (const subject of subjects) ACTS[act]?.(subject, key, value, time)
          const [found, expected] = subjects.map((subject) => [subject.size, ...KEYS.map((key) => subject.get(key))])
          expect(found).to.deep.equal(expected)
        }
      }),
    )
  })
})

type Forgetting = Pick<Recent<number>, 'size' | 'get' | 'set' | 'delete' | 'dropOldest'>

const ACTS: Record<string, (subject: Forgetting, key: string, value: number, life: number) => unknown> = {
  set: (subject, key, value, life) => subject.set(key, value, life),
  delete: (subject, key) => subject.delete(key),
  drop: (subject) => subject.dropOldest(),
}

const KEYS = ['a', 'b', 'c', 'd', 'e', 'f']
const CAPACITY = 4

/** The same, as one would say it. */
class Listed implements Forgetting {
  #list: readonly { readonly key: string; readonly value: number; readonly until: number }[] = []
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  get size(): number {
    return this.#list.length
  }

  get(name: string): number | undefined {
    return this.#list.find(({ key, until }) => key === name && this.#now() < until)?.value
  }

  set(key: string, value: number, life: number): void {
    this.delete(key)
    for (let count = 0; count < 2 && (this.#list[0]?.until ?? Number.POSITIVE_INFINITY) <= this.#now(); count++) {
      this.dropOldest()
    }
    this.#list = [...this.#list.slice(1 - CAPACITY), { key, value, until: this.#now() + life }]
  }

  delete(name: string): void {
    this.#list = this.#list.filter(({ key }) => key !== name)
  }

  dropOldest(): boolean {
    const size = this.size
    this.#list = this.#list.slice(1)
    return size > 0
  }
}
