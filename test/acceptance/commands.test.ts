import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Client, closeClients, connect, type Frame } from '../support/client.ts'
import { Instance, install } from './support/instance.ts'
import { Stage } from './support/stage.ts'
import { until } from './support/until.ts'

/** What a plugin author writes: a command that takes note of each time it is run, and takes long. */
const JOBS = `
import { appendFileSync } from 'node:fs'

export default function jobs() {
  return {
    name: 'jobs',
    requires: ['commands'],
    apply(kernel) {
      kernel.use('commands').register('jobs.long', {
        args: { type: 'object', required: ['job'], properties: { job: { type: 'string' } } },
        run: ({ job }) => {
          appendFileSync('runs.txt', job + '\\n')
          return new Promise(() => {})
        },
      })
    },
  }
}
`
const ALLOW = ['slipstream.ping', 'slipstream.status', 'jobs.long'].map((command) => ({
  command,
  identities: ['ops-1'],
}))

describe('commands between processes', function () {
  this.timeout(120_000)

  let stage: Stage

  beforeEach(async () => {
    stage = await Stage.open()
  })

  afterEach(async () => {
    await closeClients()
    await stage.close()
  })

  /** Three instances in a line, each of which dials the one before it. */
  async function line(): Promise<[Instance, Instance, Instance]> {
    const instances: Instance[] = []
    for (const name of ['aws', 'azure', 'gcp']) {
      const instance = await Instance.create(stage, name)
      const before = instances.at(-1)
      await instance.tell({ file: { name: 'slipstream.config.mjs', text: configOf(instance, before) } })
      await install(instance.folder)
      instances.push(instance)
    }
    for (const instance of instances) await instance.start()
    const tags = async () => (await (instances[0] as Instance).reachableTags()).includes('gcp')
    await until('everybody is linked', tags)
    return instances as [Instance, Instance, Instance]
  }

  it('slipstream.ping is run two hops away, for a plain WebSocket client, and answered the way it came', async () => {
    const [aws] = await line()
    const client = await connect(aws, { name: 'ops-1' })
    const ping = command('slipstream.ping', { messageId: 'ping-1', targetInstanceId: 'gcp' })
    expect(await client.publish(ping)).to.include({ type: 'ACK', status: 'stored', recipients: 1 })
    const answer = await reply(client, 'ping-1')
    expect(answer).to.include({ instanceId: 'gcp', sourceInstanceId: 'aws', complete: true })
    expect(answer.value).to.include({ instanceId: 'gcp' })
    expect(await client.publish(ping)).to.include({ status: 'duplicate' })
    expect(await reply(client, 'ping-1')).to.deep.equal(answer)

    await client.publish(command('slipstream.status', { messageId: 'status-1', targetInstanceId: 'azure' }))
    expect((await reply(client, 'status-1')).value)
      .to.include({ instanceId: 'azure' })
      .and.have.property('store')

    const stranger = await connect(aws, { name: 'shop-1' })
    expect(await stranger.publish(command('slipstream.ping', { messageId: 'ping-2' }))).to.include({
      code: 'FORBIDDEN',
    })
  })

  it('one that runs while its process is killed is interrupted, and never run again', async () => {
    const [aws, , gcp] = await line()
    const client = await connect(aws, { name: 'ops-1' })
    const long = command('jobs.long', { messageId: 'job-1', targetInstanceId: 'gcp', args: { job: 'nightly' } })
    await client.publish(long)
    const runs = () => readFile(join(gcp.folder, 'runs.txt'), 'utf8').catch(() => '')
    await until('it runs', async () => (await runs()) === 'nightly\n')
    await gcp.end('SIGKILL')
    await gcp.start()
    expect((await reply(client, 'job-1')).error).to.include({ code: 'INTERRUPTED' })
    await client.publish(long)
    expect((await reply(client, 'job-1')).error).to.include({ code: 'INTERRUPTED' })
    expect(await runs()).to.equal('nightly\n')
  })
})

function configOf(instance: Instance, before: Instance | undefined): string {
  const peers = before ? [{ url: before.url }] : []
  const config = JSON.stringify(instance.asConfig({ tags: [instance.name], peers, retryInSeconds: 0.2 }))
  return `
import { standard } from 'slipstream/config'
${JOBS.replace('export default ', '')}
export default { ...${config}, plugins: [standard({ commands: { allow: ${JSON.stringify(ALLOW)} } }), jobs()] }
`
}

function command(name: string, members: Readonly<Record<string, unknown>> & { readonly messageId: string }) {
  return { type: 'CMD', command: name, expiresAt: Date.now() + 600_000, ...members }
}

async function reply(client: Client, messageId: string): Promise<Frame['body']> {
  const isIt = (body: Frame['body']) => body.type === 'REPLY' && body.correlationId === messageId
  return (await client.next(isIt, 30_000)).body
}
