import { execFile, spawn } from 'node:child_process'
import { on, once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'chai'
import WebSocket, { WebSocketServer } from 'ws'
import { resolveConfig } from '../config/resolve.ts'
import { connect as connectClient } from '../core/client/node.ts'
import { createBus } from '../core/index.ts'
import { MemoryState } from '../plugins/state/memory.ts'
import { keeping, standardPlugins } from './support/bus.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const readme = await readFile(join(root, 'README.md'), 'utf8')

/** Blocks of code of the README under a heading, by language. */
function blocks(heading: string, language: string): string[] {
  const section = readme.split(/^## /m).find((part) => part.startsWith(heading)) ?? ''
  return [...section.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map(([, code]) => code as string)
}

describe('README', function () {
  this.timeout(60_000)
  let folder: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipstream-readme-'))
    const plugin = join(folder, 'node_modules', 'slipstream-plugin-fx-rate')
    await mkdir(plugin, { recursive: true })
    await symlink(root, join(folder, 'node_modules', 'slipstream'))
    await writeFile(join(folder, 'package.json'), '{"type":"module"}')
    await writeFile(
      join(plugin, 'package.json'),
      '{"name":"slipstream-plugin-fx-rate","type":"module","exports":"./index.ts"}',
    )
    await writeFile(join(plugin, 'index.ts'), blocks('A plugin', 'ts')[0] as string)
    await writeFile(join(folder, 'receiver.ts'), blocks('A receiver', 'ts')[0] as string)
    await writeFile(join(folder, 'slipstream.config.ts'), blocks('A configuration', 'ts')[0] as string)
  })

  after(() => rm(folder, { recursive: true, force: true }))

  it('names the two commands, and continuous integration runs the second to the letter', async () => {
    const commands = blocks('Run it', 'sh').map((line) => line.trim())
    const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>
    }
    expect(commands).to.deep.equal(['npm ci && npm start', 'npm ci && npm test'])
    expect(scripts).to.include.keys('start', 'test', 'demo')
    expect((await readFile(join(root, '.ci/run'), 'utf8')).split('\n')).to.include(commands[1])
  })

  it('shows a configuration that loads, and a plugin that runs', async () => {
    const { settings, plugins } = await resolveConfig({ folder, env: {} })
    expect(settings).to.include({ instanceId: 'aws-1', storagePath: '/var/lib/slipstream/slipstream.db' })
    expect(plugins.map(({ name }) => name)).to.include.members([
      'slipstream-plugin-fx-rate',
      'store-sqlite',
      'websocket',
    ])
    const bus = createBus({
      plugins,
      settings: { storagePath: join(folder, 'config.db'), port: 0, adminPort: 0, logs: { message: false } },
    })
    await bus.start()
    const client = await connect(bus.addresses[0] as string)
    client.send('{"type":"fx.rate","pair":"EUR/SEK","rate":11.2}')
    expect(await nextFrame(client)).to.include({ type: 'ACK', status: 'stored' })
    client.send('{"type":"fx.rate","pair":"EUR/SEK","rate":"high"}')
    expect(await nextFrame(client)).to.include({
      type: 'NACK',
      code: 'INVALID_MESSAGE',
      reason: '/rate must be number',
    })
    client.close()
    await bus.stop()
  })

  it('shows a plugin and a receiver that compile under strict rules', async () => {
    await writeFile(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        extends: join(root, 'tsconfig.json'),
        compilerOptions: { noEmit: true, rootDir: '/', types: [] },
        include: [],
        files: ['node_modules/slipstream-plugin-fx-rate/index.ts', 'slipstream.config.ts', 'receiver.ts'],
      }),
    )
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    const { stdout } = await promisify(execFile)(process.execPath, [tsc, '-p', folder])
    expect(stdout).to.equal('')
  })

  it('shows an application whose promise means that it is on disk', async () => {
    const bus = createBus({ plugins: [...standardPlugins(), keeping(new MemoryState())], settings: { tags: ['aws'] } })
    await bus.start()
    const office = connectClient(bus.addresses[0] as string)
    try {
      const [code = ''] = blocks('An application', 'ts')
      await writeFile(join(folder, 'application.ts'), code.replace('ws://127.0.0.1:7070', bus.addresses[0] as string))
      const run = [process.execPath, '--import', import.meta.resolve('tsx'), 'application.ts'] as const
      const { stdout } = await promisify(execFile)(run[0], run.slice(1), { cwd: folder })
      expect(stdout).to.match(/^stored 1 [0-9]{13}-[0-9]{5}-shop-1\n$/)
      expect(await office.get('order:123')).to.deep.include({ value: { total: 10.5 }, text: '{"total":10.5}' })
    } finally {
      await office.close()
      await bus.stop()
    }
  })

  it('shows a receiver that handles a message once, and acknowledges it again after a crash', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'slipstream.v1' })
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const code = await readFile(join(folder, 'receiver.ts'), 'utf8')
    await writeFile(join(folder, 'receiving.ts'), code.replace('7071', String(port)))
    let booked = ''
    try {
      for (let lives = 0; lives < 2; lives++) {
        const args = ['--import', import.meta.resolve('tsx'), 'receiving.ts']
        const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
        child.stdout.on('data', (text) => {
          booked += text
        })
        try {
          const [link] = (await once(server, 'connection')) as [WebSocket]
          const frames = on(link, 'message') as AsyncIterable<[Buffer]>
          link.send('{"type":"SK","messageId":"m-1","key":"order:123","value":1}')
          for await (const [frame] of frames) if (String(frame).includes('"ACK","messageId":"m-1"')) break
        } finally {
          child.kill('SIGKILL')
          await once(child, 'close')
        }
      }
      expect(booked).to.equal('booked order:123\n')
    } finally {
      server.close()
    }
  })

  it('starts two instances by hand, and what the one missed arrives when it is back', async () => {
    const ports = new Map<string, number>()
    for (const port of ['7071', '7072', '8081', '8082']) ports.set(port, await freePort())
    const adapt = (text: string) =>
      text
        .replaceAll('npx slipstream', `exec ${process.execPath} ${join(root, 'bin/slipstream')}`)
        .replace(/70[0-9]{2}|80[0-9]{2}/g, (port) => String(ports.get(port) ?? port))
    const [shell = ''] = blocks('Two instances by hand', 'sh')
    const [message = '', acknowledgement = ''] = blocks('Two instances by hand', 'json')
    const [first, second] = shell.replaceAll('\\\n', ' ').split('\n').slice(0, 2).map(adapt) as [string, string]
    const [shopUrl, publisherUrl] = [...shell.matchAll(/websocat '(.*?)'/g)].map(([, url]) => adapt(url as string)) as [
      string,
      string,
    ]
    let aws = await started(first, folder)
    const azure = await started(second, folder)
    try {
      const shop = await connect(shopUrl)
      const publisher = await connect(publisherUrl)
      publisher.send(message)
      expect(await nextFrame(publisher)).to.include({ type: 'ACK', status: 'stored', recipients: 1 })
      expect(await nextFrame(shop)).to.deep.include({ messageId: 'm-1', value: { total: 10.5 } })
      shop.send(acknowledgement)
      await stopped(aws)
      publisher.send(message.replace('m-1', 'm-2'))
      expect(await nextFrame(publisher)).to.include({ type: 'ACK', messageId: 'm-2', status: 'stored' })
      aws = await started(first, folder)
      const back = await connect(shopUrl)
      expect(await nextFrame(back)).to.include({ type: 'SK', messageId: 'm-2' })
      for (const client of [back, publisher]) client.close()
    } finally {
      await Promise.all([stopped(aws), stopped(azure)])
    }
  })
})

type Running = ReturnType<typeof spawn>

/** Runs a line of the README; resolves once the instance listens. */
async function started(line: string, folder: string): Promise<Running> {
  const env = { PATH: process.env.PATH, SLIPSTREAM_RETRY_IN_N_SECONDS: '0.2' }
  const child = spawn('sh', ['-c', `mkdir -p by-hand && cd by-hand && ${line}`], {
    cwd: folder,
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let output = ''
  for await (const chunk of child.stderr as AsyncIterable<Buffer>) {
    output += chunk
    if (!output.includes('administration')) continue
    child.stderr?.resume()
    return child
  }
  throw new Error(`did not start: ${line}\n${output}`)
}

async function stopped(child: Running): Promise<void> {
  if (child.exitCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

async function connect(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url)
  await once(socket, 'open')
  return socket
}

async function nextFrame(socket: WebSocket): Promise<Record<string, unknown>> {
  const [data] = (await once(socket, 'message')) as [Buffer]
  return JSON.parse(String(data)) as Record<string, unknown>
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  return port
}
