import { expect } from 'chai'
import { Desk } from './support.ts'

describe('slipstream plugin list', () => {
  let desk: Desk
  beforeEach(async () => {
    desk = await Desk.set()
  })
  afterEach(() => desk.clear())

  it('lists what a running instance has loaded', async () => {
    const { admin } = await desk.instance()
    const { code, stdout } = await desk.run(['plugin', 'list', '--json'], { METRICS_PORT: new URL(admin).port })
    expect(code).to.equal(0)
    const names = JSON.parse(stdout).map(({ name }: { name: string }) => name)
    expect(names).to.include.members(['websocket', 'store-sqlite', 'ack'])
  })

  it('lists what a configuration would load, offline', async () => {
    await desk.file('one.mjs', 'export default { plugins: [{ name: "mine", version: "1.2.3", apply() {} }] }')
    const { code, stdout } = await desk.run(['plugin', 'list', '--config', 'one.mjs'])
    expect(code).to.equal(0)
    expect(stdout).to.match(/^mine +1\.2\.3/m)
    expect((await desk.run(['plugin', 'list', '--offline'])).stdout).to.match(/^websocket /m)
  })

  it('ends with 69 when nobody answers', async () => {
    const { code, stderr } = await desk.run(['plugin', 'list', '--url', 'http://127.0.0.1:2'])
    expect(code).to.equal(69)
    expect(stderr).to.include('SLP_UNREACHABLE').and.include('ECONNREFUSED')
  })
})
