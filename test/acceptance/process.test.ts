import { spawnSync } from 'node:child_process'
import { expect } from 'chai'
import { type Client, closeClients, connect, nextMessage } from '../support/client.ts'
import { requireService } from '../support/services.ts'
import { Instance } from './support/instance.ts'
import { Stage } from './support/stage.ts'
import { storedIds } from './support/stored.ts'
import { until } from './support/until.ts'

const DRAIN_SECONDS = 4
const ROUNDS = 4
/** What it may take to start and end a process on a busy machine, beside what it is told to wait. */
const OVERHEAD_MS = 10_000

describe('an instance as a process', function () {
  this.timeout(60_000)

  let stage: Stage
  let instance: Instance

  beforeEach(async () => {
    stage = await Stage.open()
    instance = await Instance.create(stage, 'aws')
    const text = JSON.stringify(instance.asConfig({ drainTimeoutSeconds: DRAIN_SECONDS }))
    await instance.tell({ file: { name: 'slipstream.config.json', text } })
    await instance.start()
  })

  afterEach(async () => {
    await closeClients()
    await stage.close()
  })

  const publish = async (messageId: string): Promise<unknown> => {
    const publisher = await connect(instance)
    return publisher.publish({ type: 'SK', messageId, key: 'rate', value: '1.10' })
  }

  /** A client that has a message and does not say so: draining waits for it. */
  async function silentClient(): Promise<Client> {
    const client = await connect(instance, { name: 'silent', acknowledges: false })
    await publish('one')
    await nextMessage(client)
    return client
  }

  it('ends at once with exit code 0 when SIGTERM finds nothing under way', async () => {
    const began = performance.now()
    expect(await instance.end('SIGTERM')).to.deep.equal({ code: 0, signal: null })
    expect(performance.now() - began).to.be.below(DRAIN_SECONDS * 1_000)
  })

  it('has on disk what it acknowledges: killed the moment an ACK comes, it has the message in its file', async () => {
    for (let round = 1; round <= ROUNDS; round++) {
      expect(await publish(`message-${round}`)).to.include({ type: 'ACK' })
      await instance.end('SIGKILL')
      const stored = await storedIds(stage, instance)
      expect(stored.size).to.equal(round)
      expect(stored.has(`message-${round}`), `message-${round} is stored`).to.equal(true)
      await instance.start()
    }
  })

  it('is not ready while it drains, takes nothing new, and ends when the last acknowledgement is in', async () => {
    const silent = await silentClient()
    const publisher = await connect(instance)
    const ended = instance.end('SIGTERM')
    await until('it drains', async () => (await instance.readiness()) === 503, DRAIN_SECONDS * 1_000)
    const refusal = await publisher.publish({ type: 'SK', messageId: 'late', key: 'rate', value: 2 })
    expect(refusal).to.include({ type: 'NACK', code: 'BUSY', retryable: true })
    silent.send({ type: 'ACK', messageId: 'one' })
    expect(await ended).to.deep.equal({ code: 0, signal: null })
    expect(await silent.closed).to.include({ code: 1001 })
  })

  it('ends within its deadline, with exit code 0, though an acknowledgement never comes; it is delivered after', async () => {
    await silentClient()
    const began = performance.now()
    expect(await instance.end('SIGTERM')).to.deep.equal({ code: 0, signal: null })
    expect(performance.now() - began).to.be.within(DRAIN_SECONDS * 1_000 - 100, DRAIN_SECONDS * 1_000 + OVERHEAD_MS)
    await instance.start()
    const back = await connect(instance, { name: 'silent' })
    expect((await nextMessage(back)).body).to.include({ messageId: 'one' })
  })

  it('serves metrics that promtool finds no fault with', async function () {
    const promtool = requireService(this, 'promtool')
    await publish('one')
    const metrics = await (await fetch(`${instance.adminUrl}/metrics`)).text()
    const own = metrics.split('\n').filter((line) => /^(# (HELP|TYPE) )?slipstream_/.test(line))
    expect(own.join('\n'))
      .to.include('slipstream_messages_processed_total')
      .and.include('slipstream_active_connections')
    const { status, stdout, stderr } = spawnSync(promtool, ['check', 'metrics'], { input: `${own.join('\n')}\n` })
    expect(`${stdout}${stderr}`).to.equal('')
    expect(status).to.equal(0)
  })

  it('keeps a second instance off its file, and goes on undisturbed', async () => {
    const second = await Instance.create(stage, 'azure')
    await second.tell({ environment: second.asEnvironment({ SLIPSTREAM_STORAGE_PATH: instance.storagePath }) })
    const child = second.spawn()
    expect(await child.ended).to.deep.equal({ code: 1, signal: null })
    expect(child.output).to.include('SLP_STORE_IN_USE')
    expect(await publish('one')).to.include({ type: 'ACK', status: 'stored' })
  })
})
