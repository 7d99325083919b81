import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { type Browser, chromium, type Page } from 'playwright-core'
import type { connect } from '../../core/client/index.ts'
import { connect as connectHere } from '../../core/client/node.ts'
import { MemoryState } from '../../plugins/state/memory.ts'
import { MemoryStore } from '../../plugins/stores/memory.ts'
import { websocket } from '../../plugins/transports/websocket/index.ts'
import { keeping, type RunningBus, startBus } from '../support/bus.ts'
import { bundleClient } from '../support/client-bundle.ts'
import { requireService } from '../support/services.ts'

/** What the page has beside the library. */
interface InPage {
  slipstream: { connect: typeof connect }
  client: ReturnType<typeof connect>
  heard: string[]
  told: string[]
}

/** No sandbox, for tests run as root; and nothing of its own on the network. */
const ARGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking'],
  ...['--disable-component-update', '--disable-sync', '--disable-default-apps', '--no-first-run'],
]

describe('the client in Chromium', function () {
  this.timeout(60_000)
  let browser: Browser
  let pages: Server
  let page: Page
  let origin: string

  before(async function () {
    const executablePath = requireService(this, 'chromium')
    const { code } = await bundleClient()
    pages = createServer((request, response) => {
      const isScript = request.url === '/client.js'
      response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
      response.end(isScript ? code : '<!doctype html><script src="/client.js"></script>')
    }).listen(0, '127.0.0.1')
    await once(pages, 'listening')
    origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`
    browser = await chromium.launch({ executablePath, headless: true, args: ARGS })
  })

  after(async () => {
    await browser?.close()
    pages?.close()
  })

  beforeEach(async () => {
    page = await browser.newPage()
    await page.goto(origin)
  })

  afterEach(() => page?.close())

  const store = new MemoryStore()
  const start = (port = 0): Promise<RunningBus> =>
    startBus({
      store,
      without: ['websocket'],
      plugins: [websocket({ port, allowedOrigins: [origin] }), keeping(new MemoryState())],
    })

  const connectIn = (url: string) =>
    page.evaluate((at) => {
      const here = globalThis as unknown as InPage
      here.heard = []
      here.told = []
      here.client = here.slipstream.connect(at, {
        name: 'page',
        token: 'secret',
        retryDelayMs: 20,
        maxRetryDelayMs: 100,
      })
      here.client.on('connected', () => here.told.push('connected'))
      here.client.on('disconnected', ({ code }) => here.told.push(`disconnected ${code}`))
      return here.client.subscribe({ types: ['SK'] }, (message) => {
        here.heard.push(`${message.key} ${message.raw('value')}`)
      }).ready
    }, url)

  const set = (key: string) =>
    page.evaluate((to) => (globalThis as unknown as InPage).client.set(to, { by: 'the page' }), key)

  const until = (holds: () => boolean) => page.waitForFunction(holds, undefined, { timeout: 10_000 })

  it('publishes until it is on disk, reads it back, and hears what others write', async () => {
    const bus = await start()
    await connectIn(bus.url)
    expect(await set('order:1')).to.include({ status: 'stored', instanceId: bus.id })
    const read = await page.evaluate(() => (globalThis as unknown as InPage).client.get('order:1'))
    expect(read).to.deep.include({ value: { by: 'the page' } })
    const office = connectHere(bus.url)
    await office.set('order:2', 9007199254740993n)
    await office.close()
    await until(() => (globalThis as unknown as InPage).heard.length > 0)
    expect(await page.evaluate(() => (globalThis as unknown as InPage).heard)).to.deep.equal([
      'order:2 9007199254740993',
    ])
  })

  it('comes back by itself when the instance has restarted, with what was published meanwhile', async () => {
    const bus = await start()
    await connectIn(bus.url)
    await set('before')
    await bus.stop()
    await until(() => (globalThis as unknown as InPage).told.at(-1) === 'disconnected 1001')
    const meanwhile = set('meanwhile')
    const again = await start(Number(new URL(bus.url).port))
    expect(await meanwhile).to.include({ status: 'stored', instanceId: again.id })
    expect(await page.evaluate(() => (globalThis as unknown as InPage).told)).to.deep.equal([
      ...['connected', 'disconnected 1001', 'connected'],
    ])
  })

  it('is not let in from a page that the instance does not allow', async () => {
    const bus = await startBus()
    const error = await page.evaluate(
      (at) =>
        new Promise((resolve) => {
          const { slipstream } = globalThis as unknown as InPage
          slipstream.connect(at).on('error', ({ message }) => resolve(message))
        }),
      bus.url,
    )
    expect(error).to.contain('allowedOrigins')
  })
})
