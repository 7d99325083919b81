import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { diskOutbox } from '../../../core/client/disk.ts'
import { connect } from '../../../core/client/node.ts'
import { startBus } from '../../support/bus.ts'
import { connect as connectRaw, eventually, isDelivery } from '../../support/client.ts'
import { freePort } from '../../support/redis.ts'
import { Desk, refusal, turn } from './support.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))

describe('an outbox on disk', () => {
  let folder: string
  let path: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipstream-outbox-'))
    path = join(folder, 'outbox.db')
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  const kept = async () => {
    const outbox = diskOutbox(path)
    const messages = await outbox.open()
    await outbox.close()
    return messages
  }

  it('gives back what was put and not removed, in order and to the byte', async () => {
    const outbox = diskOutbox(path)
    expect(await outbox.open()).to.deep.equal([])
    const message = (messageId: string, orderingKey?: string) => ({
      messageId,
      text: `{"a":1.10, "b":\n"å"}`,
      orderingKey,
    })
    await Promise.all(['c', 'a', 'b'].map((id) => outbox.put(message(id, id === 'a' ? 'key' : undefined))))
    outbox.remove('c')
    await outbox.put(message('d'))
    await outbox.close()
    expect(await kept()).to.deep.equal([message('a', 'key'), message('b'), message('d')])
  })

  it('is open in one process at a time', async () => {
    const outbox = diskOutbox(path)
    await outbox.open()
    const second = connect('ws://127.0.0.1:9', { outbox: diskOutbox(path) })
    const closed = new Promise((resolve) => second.on('closed', ({ error }) => resolve(error?.code)))
    expect((await refusal(second.set('k', 1))).code).to.equal('SLP_OUTBOX_FAILED')
    expect(await closed).to.equal('SLP_OUTBOX_FAILED')
    await outbox.close()
  })

  it('keeps a message before it is sent, and until it is acknowledged', async () => {
    const desk = new Desk()
    const { client, socket } = desk.linked({ outbox: diskOutbox(path) })
    await turn()
    const receipt = client.set('k', 1, { messageId: 'm' })
    expect(socket.sent()).to.deep.equal([])
    await eventually(() => socket.sent().length === 1)
    socket.acknowledge('m')
    expect((await receipt).status).to.equal('stored')
    await client.close()
    expect(await kept()).to.deep.equal([])
  })

  it('sends at the next start, before anything new, what was not acknowledged: same ids, same stamps', async () => {
    const before = new Desk()
    const first = before.linked({ outbox: diskOutbox(path) })
    for (const n of [1, 2]) void first.client.publish('step', { n }, { orderingKey: 'k' }).catch(() => {})
    await eventually(() => first.socket.sent().length === 1)
    const [one] = first.socket.sent()
    await first.client.close()
    const after = new Desk()
    const { client, socket } = after.linked({ outbox: diskOutbox(path) })
    void client.set('new', 1, { messageId: 'new' }).catch(() => {})
    await eventually(() => socket.sent().length === 2)
    expect(socket.sent().map(({ n, key }) => n ?? key)).to.deep.equal([1, 'new'])
    expect(socket.sent()[0]).to.deep.equal(one)
    socket.acknowledge(one?.messageId)
    expect(socket.sent().map(({ n, key }) => n ?? key)).to.deep.equal([1, 'new', 2])
    await client.close()
  })

  it('makes one message of what an application publishes again under the id that it holds', async () => {
    const before = new Desk()
    const first = before.linked({ outbox: diskOutbox(path) })
    void first.client.set('k', 1, { messageId: 'm' }).catch(() => {})
    await eventually(() => first.socket.sent().length === 1)
    await first.client.close()
    const { client, socket } = new Desk().linked({ outbox: diskOutbox(path) })
    const again = client.set('k', 1, { messageId: 'm' })
    const other = refusal(client.set('k', 1, { messageId: 'other' }))
    await eventually(() => socket.sent().length === 2)
    expect((await refusal(client.set('k', 2, { messageId: 'm' }))).code).to.equal('SLP_ID_IN_USE')
    expect(socket.sent().map(({ messageId }) => messageId)).to.deep.equal(['m', 'other'])
    socket.acknowledge('m')
    expect((await again).messageId).to.equal('m')
    await client.close()
    expect((await other).code).to.equal('SLP_CLIENT_CLOSED')
    expect((await kept()).map(({ messageId }) => messageId)).to.deep.equal(['other'])
  })

  it('forgets what was given up, and tells of what was refused when nobody waits for it any more', async () => {
    const desk = new Desk()
    const { client, socket } = desk.linked({ outbox: diskOutbox(path) })
    await turn()
    const stop = new AbortController()
    const given = client.set('k', 1, { messageId: 'given', signal: stop.signal }).catch(() => {})
    void client.set('k', 1, { messageId: 'left' }).catch(() => {})
    await eventually(() => socket.sent().length === 2)
    stop.abort()
    await given
    desk.runtime.advance(600_000)
    expect(client.pending).to.equal(1)
    socket.drop()
    await client.close()
    const next = new Desk().linked({ outbox: diskOutbox(path) })
    const errors: unknown[] = []
    next.client.on('error', (error) => errors.push(error))
    await eventually(() => next.socket.sent().length === 1)
    next.socket.refuse('left', 'CONFLICT', { retryable: false })
    expect(errors[0]).to.include({ code: 'CONFLICT', messageId: 'left' })
    await next.client.close()
    expect(await kept()).to.deep.equal([])
  })

  it('loses nothing that a killed process had kept', async () => {
    const port = await freePort()
    const script = join(folder, 'application.ts')
    const client = (file: string) =>
      JSON.stringify(fileURLToPath(new URL(`../../../core/client/${file}`, import.meta.url)))
    const code = `
      import { diskOutbox } from ${client('disk.ts')}
      import { connect } from ${client('node.ts')}
      const outbox = diskOutbox(${JSON.stringify(path)})
      const client = connect('ws://127.0.0.1:${port}', { name: 'shop', outbox: {
        open: () => outbox.open(),
        put: async (message) => { await outbox.put(message); console.log(message.messageId) },
        remove: (id) => outbox.remove(id),
        close: () => outbox.close(),
      } })
      for (let n = 0; n < 50; n++) void client.set('k', n)
      setTimeout(() => process.kill(process.pid, 'SIGKILL'), 300)
    `
    await writeFile(script, code)
    const output = await new Promise<string>((resolve) => {
      const run = ['--import', 'tsx', script]
      execFile(process.execPath, run, { cwd: root }, (_error, stdout) => resolve(stdout))
    })
    const ids = output.trim().split('\n')
    expect(ids).to.have.length(50)
    const bus = await startBus({ settings: { port } })
    const ledger = await connectRaw(bus, { name: 'ledger' })
    const again = connect(bus.url, { name: 'shop', outbox: diskOutbox(path) })
    await again.set('last', 1)
    await again.drain()
    const stored = () => ledger.frames.filter(({ body }) => isDelivery(body)).map(({ body }) => body.messageId)
    await eventually(() => stored().length === 51)
    expect(stored().slice(0, 50)).to.deep.equal(ids)
    expect(await kept()).to.deep.equal([])
  })
})
