import { expect } from 'chai'
import { WebSocket } from 'ws'
import { Desk } from './support.ts'

/** A plugin that answers for the store; the class of coded errors it has from one that it provokes. */
const LOST_STORE = `
  const lost = {
    name: 'lost',
    apply(kernel) {
      let CodedError
      try { kernel.use('none') } catch (error) { CodedError = error.constructor }
      kernel.hooks.persist.tapPromise(async () => { throw new CodedError('SLP_STORE_LOST', 'the disk is gone') })
    },
  }
  export default { plugins: [lost, 'standard'] }
`

describe('slipstream start', () => {
  let desk: Desk
  beforeEach(async () => {
    desk = await Desk.set()
  })
  afterEach(() => desk.clear())

  it('says where it listens, and drains and ends with 0 on SIGTERM', async () => {
    const { program, url, admin } = await desk.instance()
    expect(url).to.match(/^ws:\/\/127\.0\.0\.1:\d+$/)
    expect((await fetch(`${admin}/livez`)).status).to.equal(200)
    program.kill('SIGTERM')
    expect(await program.ended).to.include({ code: 0, stdout: '' })
  })

  it('is what happens when no command is named', async () => {
    const program = desk.launch(['--port', '0', '--metrics-port', '0'])
    await program.says(/listening/)
    program.kill('SIGINT')
    expect((await program.ended).code).to.equal(0)
  })

  it('takes flags over environment over file', async () => {
    await desk.file('slipstream.config.json', '{"instanceId":"by-file","metricsPort":0}')
    const program = desk.launch(['--instance-id', 'by-flag', '--port', '0'], {
      SLIPSTREAM_INSTANCE_ID: 'by-environment',
    })
    expect(await program.says(/instance (\S+)/)).to.equal('by-flag')
    expect(await program.says(/configuration +(\S+)/)).to.equal(`${desk.folder}/slipstream.config.json`)
  })

  it('keeps the promise of a clean end even when SIGTERM comes while it starts', async () => {
    const slow =
      "{ name: 'slow', apply: () => new Promise((done) => setTimeout(done, 500, console.error('applying'))) }"
    await desk.file('slipstream.config.mjs', `export default { plugins: ['standard', ${slow}] }`)
    const program = desk.launch(['start', '--port', '0', '--metrics-port', '0'])
    await program.says(/applying/)
    program.kill('SIGTERM')
    expect((await program.ended).code).to.equal(0)
  })

  it('drains and ends with 0 though nobody reads its words any more', async () => {
    const { program } = await desk.instance()
    program.hangUp()
    program.kill('SIGTERM')
    expect((await program.ended).code).to.equal(0)
  })

  it('ends at once with 1 on a second signal', async () => {
    const { program, url } = await desk.instance()
    const silent = new WebSocket(`${url}/?instanceId=silent`)
    const delivered = new Promise((resolve) => silent.once('message', resolve))
    await new Promise((resolve) => silent.once('open', resolve))
    await desk.run(['send', 'SK', '--key', 'k', '--value', '1', '--url', url])
    await delivered
    program.kill('SIGTERM')
    await program.says(/Draining/)
    program.kill('SIGTERM')
    expect((await program.ended).code).to.equal(1)
    silent.terminate()
  })

  it('ends with 70 when its store cannot be trusted any more', async () => {
    await desk.file('slipstream.config.mjs', LOST_STORE)
    const { program, url } = await desk.instance()
    const sent = await desk.run(['send', 'SK', '--key', 'k', '--value', '1', '--url', url])
    const { code, stderr } = await program.ended
    expect([sent.code, code]).to.deep.equal([75, 70])
    expect(stderr).to.include('SLP_STORE_LOST the disk is gone')
  })

  it('ends with 1 and a readable line when its port is in use', async () => {
    const { url } = await desk.instance('--storage-path', 'first.db')
    const { port } = new URL(url)
    const { code, stderr } = await desk.run(['start', '--port', port, '--metrics-port', '0'])
    expect(code).to.equal(1)
    expect(stderr)
      .to.include('SLP_LISTEN')
      .and.include(port)
      .and.not.match(/^ +at /m)
  })

  it('ends with 1 when another instance has its store', async () => {
    await desk.instance()
    const { code, stderr } = await desk.run(['start', '--port', '0', '--metrics-port', '0'])
    expect(code).to.equal(1)
    expect(stderr).to.include('SLP_STORE_IN_USE')
  })
})

describe('slipstream with a wrong configuration or command line', () => {
  let desk: Desk
  beforeEach(async () => {
    desk = await Desk.set()
  })
  afterEach(() => desk.clear())

  const cases: readonly (readonly [string, readonly string[], Readonly<Record<string, string>>, RegExp])[] = [
    ['a flag with a wrong value', ['start', '--port', 'abc'], {}, /SLP_CONFIG_FLAG[\s\S]*--port/],
    ['a variable with a wrong value', [], { SLIPSTREAM_PORT: '70700' }, /SLP_CONFIG_ENV[\s\S]*SLIPSTREAM_PORT/],
    ['a file that is not there', ['start', '--config', 'none.json'], {}, /SLP_CONFIG_MISSING/],
    [
      'an open port without TLS',
      ['start', '--port', '0', '--metrics-port', '0', '--host', '0.0.0.0'],
      {},
      /SLP_INSECURE/,
    ],
    ['an unknown command', ['strat'], {}, /unknown command 'strat'[\s\S]*start/],
    ['an unknown flag', ['start', '--prot', '1'], {}, /unknown option '--prot'/],
    ['a command without its argument', ['send'], {}, /missing required argument/],
    ['a URL of another kind', ['send', 'SK', '--url', 'http://127.0.0.1'], {}, /ws:\/\//],
    ['a body that is no object', ['send', 'SK', '--body', '[1]'], {}, /JSON object/],
    ['a body beside a value', ['send', 'SK', '--body', '{}', '--value', '1'], {}, /cannot be used with/],
  ]
  for (const [what, args, env, words] of cases) {
    it(`ends with 2 and says why: ${what}`, async () => {
      const { code, stdout, stderr } = await desk.run(args, env)
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: '' })
      expect(stderr)
        .to.match(words)
        .and.not.match(/^ +at /m)
    })
  }

  it('shows where it happened only when asked', async () => {
    const { stderr } = await desk.run(['start', '--debug', '--port', 'abc'])
    expect(stderr).to.match(/^ +at /m)
  })

  it('gives help and version on stdout, with 0', async () => {
    const [help, version] = [await desk.run(['--help']), await desk.run(['--version'])]
    expect(help).to.include({ code: 0, stderr: '' })
    expect(help.stdout).to.include('Exit codes')
    expect(version).to.include({ code: 0, stdout: '1.0.0\n' })
  })

  it('paints nothing that is no terminal', async () => {
    const { stdout, stderr } = await desk.run(['check', '--port', 'abc'])
    expect(stdout + stderr).to.not.include('\u001b')
  })
})
