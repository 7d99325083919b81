import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Kernel, Plugin } from '../../../core/index.ts'
import { FanOutLog } from '../../../core/log.ts'
import { budget } from '../../../plugins/delivery/budget.ts'
import { retention } from '../../../plugins/delivery/retention.ts'
import { SqliteStore } from '../../../plugins/stores/sqlite/index.ts'
import { bench } from './support.ts'

const MIB = 1024 ** 2
const MAX_BYTES = 4 * MIB
const VALUE = 'x'.repeat(1_500)
const DAY_MS = 24 * 60 * 60_000

describe('the disk budget of a file', function () {
  this.timeout(60_000)

  let folder: string
  let path: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'slipstream-budget-'))
    path = join(folder, 'test.db')
  })

  afterEach(() => rmSync(folder, { recursive: true }))

  async function started() {
    let kernel: Kernel | undefined
    const codes: string[] = []
    const spy: Plugin = {
      name: 'spy',
      apply(own) {
        kernel = own
        own.hooks.refused.tap(({ code }) => void codes.push(code))
      },
    }
    const store = new SqliteStore({ path, maxBytes: MAX_BYTES, log: new FanOutLog() })
    const subject = await bench({ store, plugins: [retention(), budget(), spy] })
    ;(await subject.connect('app')).close()
    await subject.rest()
    return Object.assign(subject, { codes, kernel: kernel as Kernel })
  }

  it('takes many times as much for somebody absent, who gets the newest of each key and every message of other types', async () => {
    const subject = await started()
    const newest = new Map<string, string>()
    const others: string[] = []
    let largest = 0
    for (let n = 0; n < 8_000; n += 100) {
      const writes = Array.from({ length: 100 }, (_, index) => {
        const key = `account-${(n + index) % 100}`
        newest.set(key, `w-${n + index}`)
        return { messageId: `w-${n + index}`, key, value: VALUE }
      })
      others.push(`c-${n}`)
      await subject.publish(...writes, { type: 'test.strict', messageId: `c-${n}`, key: `${n}` })
      await subject.pass(300)
      largest = Math.max(largest, subject.store.statistics().usedBytes)
    }
    expect(subject.codes).to.deep.equal([])
    expect(largest).to.be.lessThan(MAX_BYTES)
    expect(statSync(path).size).to.be.at.most(MAX_BYTES)
    const app = await subject.connect('app', () => 'ACK')
    await subject.pass(5_000)
    expect(app.got.filter((id) => id.startsWith('c-'))).to.deep.equal(others)
    expect(app.got).to.include.members([...newest.values()])
    expect(await subject.dead()).to.deep.equal([])
    const { targeted, acked, collapsed, pending, dead, forgotten } = subject.sums()
    expect([targeted, pending, dead, forgotten]).to.deep.equal([8_080, 0, 0, 0])
    expect(acked + collapsed).to.equal(8_080)
  })

  it('refuses what cannot be collapsed when it is full, and takes new messages when there is room, without a restart', async () => {
    const subject = await started()
    const publish = (n: number) => subject.publish({ messageId: `m-${n}`, key: `key-${n}`, value: VALUE })
    let published = 0
    while (subject.codes.length === 0) {
      await publish(++published)
      if (published % 20 === 0) await subject.pass(300)
      expect(published).to.be.lessThan(5_000)
    }
    expect(subject.codes).to.deep.equal(['STORE_UNAVAILABLE'])
    const ready = () => subject.kernel.healthChecks().every((check) => check.check().ok)
    expect(ready()).to.equal(false)
    const app = await subject.connect('app', () => 'ACK')
    await subject.pass(60_000)
    expect(app.got).to.have.lengthOf(published - 1)
    expect(ready()).to.equal(true)
    await publish(published)
    await subject.pass(100)
    expect(app.got).to.have.lengthOf(published)
    expect(subject.sums()).to.include({ targeted: published, acked: published })
    await subject.leap(2 * DAY_MS)
    await subject.pass(300_000)
    expect(statSync(path).size).to.be.lessThan(MAX_BYTES / 2)
  })
})
