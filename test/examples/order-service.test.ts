import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { REPOSITORY } from '../acceptance/support/instance.ts'

const MAIN = fileURLToPath(new URL('order-service/main.ts', import.meta.url))
const ORDERS = 400

const leftovers = async () => (await readdir(tmpdir())).filter((name) => name.startsWith('order-service-'))

describe('the order service, an example', function () {
  this.timeout(300_000)

  it('places, ships and confirms each order once, though two of its three instances die', async () => {
    const before = await leftovers()
    const run = ['--import', 'tsx', MAIN, '--orders', String(ORDERS), '--json']
    const ended = promisify(execFile)(process.execPath, run, { cwd: REPOSITORY })
    const { stdout, stderr } = await ended.catch((error: { stdout: string; stderr: string }) => error)
    expect(stdout, stderr).to.match(/^\{.*\}\n$/)
    const { repetitionsRecognised, ...report } = JSON.parse(stdout)
    expect(report).to.deep.equal({
      ...{ placed: ORDERS, shipped: ORDERS, confirmed: ORDERS, inState: ORDERS },
      ...{ lost: 0, twice: 0, deadLetters: 0 },
    })
    expect(repetitionsRecognised, 'each confirmation comes by both members of the group').to.be.at.least(ORDERS)
    expect(await leftovers()).to.deep.equal(before)
  })
})
