import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import { type Database, openDatabase } from '../../../plugins/stores/sqlite/database.ts'
import { Intervals } from '../../../plugins/stores/sqlite/intervals.ts'
import { migrate } from '../../../plugins/stores/sqlite/migrations.ts'

interface Place {
  readonly epoch: string
  readonly n: number
}

interface Round {
  readonly places: readonly Place[]
  readonly end: 'commit' | 'fail' | 'restart'
}

const place = fc.record({ epoch: fc.constantFrom('one', 'two', 'three'), n: fc.integer({ min: 1, max: 24 }) })
const inOrder = fc.record({ epoch: fc.constantFrom('one', 'two'), from: fc.integer({ min: 1, max: 20 }) })
const places = fc.oneof(
  fc.array(place, { maxLength: 20 }),
  inOrder.map(({ epoch, from }) => [0, 1, 2, 3].map((step) => ({ epoch, n: from + step }))),
)
const rounds = fc.array(
  fc.record({ places, end: fc.constantFrom('commit', 'commit', 'fail', 'restart') }) as fc.Arbitrary<Round>,
  {
    maxLength: 12,
  },
)

describe('interval sets', () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipstream-intervals-'))
  let database: Database

  before(() => {
    database = openDatabase(join(folder, 'test.db'), 1024 ** 3)
    migrate(database)
    database.pragma('synchronous = OFF')
  })

  beforeEach(() => database.exec('DELETE FROM seen'))

  after(() => {
    database.close()
    rmSync(folder, { recursive: true })
  })

  for (const maxTails of [1, 100]) {
    it(`hold exactly what was taken, through failures and restarts, with ${maxTails} sequences in memory`, () => {
      fc.assert(
        fc.property(rounds, (script) => {
          database.exec('DELETE FROM seen')
          holdsExactly(database, script, maxTails)
        }),
        { numRuns: 300 },
      )
    })
  }

  it('keep one row for a sequence without gaps, in whatever order it came', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([...Array(40).keys()], { minLength: 40 }), (order) => {
        database.exec('DELETE FROM seen')
        const intervals = new Intervals(database)
        database.transaction(() => {
          for (const n of order) intervals.add('aws', 'one', n + 1)
          intervals.flush()
        })()
        expect(rowsOf(database)).to.deep.equal([{ epoch: 'one', first: 1, last: 40 }])
      }),
      { numRuns: 100 },
    )
  })

  it('know the greatest place', () => {
    const intervals = new Intervals(database)
    expect(intervals.last('aws', 'one')).to.equal(0)
    for (const n of [4, 9, 2]) intervals.add('aws', 'one', n)
    intervals.flush()
    expect(intervals.last('aws', 'one')).to.equal(9)
    expect(new Intervals(database).last('aws', 'one')).to.equal(9)
  })

  it('write once a batch what arrived in order', () => {
    const intervals = new Intervals(database)
    intervals.add('aws', 'one', 1)
    const before = database.prepare('SELECT total_changes()').pluck().get() as number
    for (let n = 2; n <= 1_000; n++) intervals.add('aws', 'one', n)
    intervals.flush()
    expect(database.prepare('SELECT total_changes()').pluck().get()).to.equal(before + 1)
  })
})

/** Plays the script on intervals and on a plain set side by side. */
function holdsExactly(database: Database, script: readonly Round[], maxTails: number): void {
  let intervals = new Intervals(database, maxTails)
  let taken = new Set<string>()
  for (const { places, end } of script) {
    const attempt = new Set(taken)
    const run = database.transaction(() => {
      for (const { epoch, n } of places) take(intervals, attempt, epoch, n)
      intervals.flush()
      if (end === 'fail') throw new Error('the disk is full')
    })
    if (end === 'fail') {
      expect(run).to.throw('the disk is full')
      intervals.forget()
    } else {
      run()
      taken = attempt
    }
    if (end === 'restart') intervals = new Intervals(database, maxTails)
    expect(placesOf(database)).to.deep.equal([...taken].sort())
  }
}

function take(intervals: Intervals, taken: Set<string>, epoch: string, n: number): void {
  const known = intervals.has('aws', epoch, n)
  expect(known).to.equal(taken.has(`${epoch} ${n}`))
  if (!known) intervals.add('aws', epoch, n)
  taken.add(`${epoch} ${n}`)
}

function rowsOf(database: Database) {
  const rows = database.prepare<[], { epoch: string; first: number; last: number }>(
    'SELECT epoch, first, last FROM seen ORDER BY epoch, first',
  )
  return rows.all()
}

/** Every place that the rows cover, none of them twice, and no two rows that touch. */
function placesOf(database: Database): string[] {
  const places: string[] = []
  let previous: { epoch: string; last: number } | undefined
  for (const { epoch, first, last } of rowsOf(database)) {
    if (previous?.epoch === epoch) expect(first).to.be.greaterThan(previous.last + 1)
    for (let n = first; n <= last; n++) places.push(`${epoch} ${n}`)
    previous = { epoch, last }
  }
  return places.sort()
}
