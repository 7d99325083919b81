import { readdirSync, readlinkSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { expect } from 'chai'
import { until } from '../../acceptance/support/until.ts'
import { skip } from '../../support/services.ts'
import { Desk } from '../support.ts'

describe('slipstream demo', () => {
  let desk: Desk
  beforeEach(async () => {
    desk = await Desk.set()
  })
  afterEach(() => desk.clear())

  it('kills a region under traffic, and each acknowledged message arrives exactly once', async function () {
    this.timeout(90_000)
    const { code, stdout, stderr } = await desk.run(['demo', '--seconds', '6', '--json'], { TMPDIR: desk.folder })
    expect(code, stderr).to.equal(0)
    const report = JSON.parse(stdout)
    expect(report).to.include({ passed: true, killed: 'gcp', missing: 0, twice: 0, astray: 0, unanswered: 0 })
    expect(report.waited).to.be.greaterThan(0)
    const received = report.regions.map((region: { received: number }) => region.received)
    expect(received.reduce((sum: number, one: number) => sum + one)).to.equal(report.due)
    expect(stderr).to.include('gcp is killed').and.include('gcp has caught up')
    expect(await readdir(desk.folder)).to.deep.equal([])
  })

  it('leaves nothing behind when it is interrupted', async function () {
    this.timeout(60_000)
    const program = desk.launch(['demo', '--seconds', '60'], { TMPDIR: desk.folder })
    await program.says(/applications publish/)
    program.kill('SIGINT')
    expect((await program.ended).code).to.equal(1)
    expect(await readdir(desk.folder)).to.deep.equal([])
  })

  it('takes its regions with it when it is killed', async function () {
    if (process.platform !== 'linux') return skip(this, 'this is not Linux')
    this.timeout(60_000)
    const program = desk.launch(['demo', '--seconds', '60'], { TMPDIR: desk.folder })
    await program.says(/applications publish/)
    expect(processesIn(desk.folder)).to.have.length.greaterThan(2)
    program.kill('SIGKILL')
    await program.ended
    await until('all regions have ended', () => processesIn(desk.folder).length === 0)
  })
})

/** Ids of the processes that work in that folder or below it. */
function processesIn(folder: string): readonly string[] {
  return readdirSync('/proc').filter((id) => {
    try {
      return /^\d+$/.test(id) && readlinkSync(`/proc/${id}/cwd`).startsWith(folder)
    } catch {
      return false // ended meanwhile
    }
  })
}
