import { expect } from 'chai'
import { Desk } from './support.ts'

describe('slipstream check', () => {
  let desk: Desk
  beforeEach(async () => {
    desk = await Desk.set()
  })
  afterEach(() => desk.clear())

  it('shows each value and where it is from', async () => {
    const file = await desk.file('slipstream.config.json', '{"port":7171,"tags":["eu"]}')
    const { code, stdout, stderr } = await desk.run(['check', '--host', '127.0.0.2'], { METRICS_PORT: '9191' })
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' })
    expect(stdout).to.match(/host +127\.0\.0\.2 +flag/)
    expect(stdout).to.match(/metricsPort +9191 +environment METRICS_PORT/)
    expect(stdout)
      .to.include(file)
      .and.match(new RegExp(`port +7171 +file ${file}`))
    expect(stdout).to.match(/retryInSeconds +5 +default/)
  })

  it('never shows a token', async () => {
    const peers = Buffer.from('[{"url":"wss://peer:7070/","token":"s3cret"}]').toString('base64')
    const { code, stdout, stderr } = await desk.run(['check'], { URL_CONFIG: peers })
    expect(code).to.equal(0)
    expect(stdout).to.include('wss://peer:7070/')
    expect(stdout + stderr).to.not.include('s3cret')
  })

  it('checks many files, and ends with 2 and a code for each problem', async () => {
    await desk.file('good.json', '{}')
    await desk.file('typo.json', '{"prot":1}')
    await desk.file('broken.json', '{')
    const { code, stdout, stderr } = await desk.run(['check', 'good.json', 'typo.json', 'broken.json'])
    expect(code).to.equal(2)
    expect(stdout)
      .to.match(/good\.json {2}ok/)
      .and.match(/typo\.json {2}1 wrong/)
    expect(stderr).to.include('SLP_CONFIG_INVALID').and.include('did you mean "port"').and.include('SLP_CONFIG_FAILED')
  })

  it('reports as JSON when asked', async () => {
    await desk.file('typo.json', '{"prot":1}')
    const { code, stdout } = await desk.run(['check', 'typo.json', '--json'])
    const [report] = JSON.parse(stdout)
    expect(code).to.equal(2)
    expect(report.file).to.equal(`${desk.folder}/typo.json`)
    expect(report.problems[0].code).to.equal('SLP_CONFIG_INVALID')
  })
})
