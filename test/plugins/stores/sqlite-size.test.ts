import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { openDatabase } from '../../../plugins/stores/sqlite/database.ts'
import { capacityBytes, fileBytes, roomOn, usedBytes } from '../../../plugins/stores/sqlite/size.ts'

const MIB = 1024 ** 2

describe('the size of a file', () => {
  let folder: string
  let path: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'slipstream-size-'))
    path = join(folder, 'test.db')
  })

  afterEach(() => rmSync(folder, { recursive: true }))

  it('is known, and that of a file that is not there is nothing', () => {
    writeFileSync(path, 'abc')
    expect([fileBytes(path), fileBytes(join(folder, 'other'))]).to.deep.equal([3, 0])
  })

  it('in use falls when something is removed, and cannot grow beyond what was allowed', () => {
    const database = openDatabase(path, 8 * MIB)
    database.exec(`CREATE TABLE filler (text TEXT); INSERT INTO filler VALUES ('${'x'.repeat(2 * MIB)}')`)
    expect(usedBytes(database)).to.be.within(2 * MIB, 3 * MIB)
    expect(capacityBytes(database, path)).to.equal(8 * MIB)
    database.exec('DELETE FROM filler')
    expect(usedBytes(database)).to.be.below(MIB / 8)
    database.close()
  })

  it('is bounded by what the disk has room for, if the disk says so', () => {
    expect(roomOn({ blocks: 1_000, bavail: 10, bsize: 4_096 })).to.equal(40_960)
    expect(roomOn({ blocks: 1_000, bavail: 0, bsize: 4_096 })).to.equal(0)
    expect(roomOn({ blocks: 0, bavail: 0, bsize: 4_096 })).to.equal(Number.POSITIVE_INFINITY)
  })
})
