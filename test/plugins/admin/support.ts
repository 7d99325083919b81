import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type IncomingHttpHeaders, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import {
  type Bus,
  createBus,
  type Introduction,
  type Kernel,
  type Plugin,
  type Runtime,
  type Settings,
} from '../../../core/index.ts'
import { http } from '../../../plugins/admin/http/index.ts'
import { ack } from '../../../plugins/messages/ack.ts'
import { setKey } from '../../../plugins/messages/sk.ts'
import { path } from '../../../plugins/routes/path.ts'
import { memory } from '../../../plugins/stores/memory.ts'
import { introduction, type MemoryConnection, MemoryNetwork } from '../../support/memory-pair.ts'

/** What a test opened, and how it is closed again: newest first. */
const leftOpen: (() => unknown)[] = []

export async function closeAll(): Promise<void> {
  for (const close of leftOpen.splice(0).reverse()) await close()
}

export interface Running {
  readonly bus: Bus
  readonly kernel: Kernel
  /** Where its HTTP port is. */
  readonly address: string
  /** Connects as somebody who says that of itself. */
  connect(remote?: Partial<Introduction>): Client
  ask(path: string, asked?: Asked): Promise<Answered>
}

/** The far end of a connection to the bus. */
export interface Client {
  /** All messages that came, oldest first. */
  readonly received: Readonly<Record<string, unknown>>[]
  send(message: object | string): void
  close(): void
}

export interface BusGiven {
  /** Loaded before `http`. */
  readonly first?: readonly Plugin[]
  /** Loaded after it. */
  readonly plugins?: readonly Plugin[]
  readonly settings?: Partial<Settings>
  readonly runtime?: Runtime
  /** Instead of the one in memory. */
  readonly store?: Plugin
}

/** A bus with a store in memory, the type SK, acknowledgements and an HTTP port. */
export function makeBus({ first = [], plugins = [], settings = {}, store = memory(), runtime }: BusGiven) {
  const network = new MemoryNetwork()
  let kernel: Kernel | undefined
  const spy: Plugin = {
    name: 'spy',
    apply(given) {
      kernel = given
    },
  }
  const basis = [store, setKey(), ack(), path(), network.plugin('memory://bus', 'linked')]
  const bus = createBus({
    plugins: [...first, ...basis, http(), ...plugins, spy],
    settings: { instanceId: 'aws-1', adminPort: 0, drainTimeoutMs: 500, ...settings },
    ...(runtime && { runtime }),
  })
  leftOpen.push(() => bus.stop())
  return { bus, network, kernel: () => kernel as Kernel }
}

export async function startBus(given: BusGiven = {}): Promise<Running> {
  const { bus, network, kernel } = makeBus(given)
  await bus.start()
  const address = addressOf(kernel())
  return {
    bus,
    kernel: kernel(),
    address,
    connect: (remote) => clientOf(network.dial({ url: 'memory://bus' }, introduction(remote))),
    ask: (path, asked) => ask(address, path, asked),
  }
}

function clientOf(connection: MemoryConnection): Client {
  const received: Readonly<Record<string, unknown>>[] = []
  connection.handle({ frame: (text) => received.push(JSON.parse(text)), closed: () => {} })
  const send = (message: object | string) => {
    connection.send(typeof message === 'string' ? message : JSON.stringify(message))
  }
  return { received, send, close: () => connection.close(1000, 'done') }
}

export function addressOf(kernel: Kernel): string {
  const { address } = kernel.use('http')
  if (address === undefined) throw new Error('http does not listen')
  return address
}

export interface Asked {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export interface Answered {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** The body, when it is JSON. */
  readonly body: Readonly<Record<string, unknown>>
}

/** By hand: `fetch` lets nobody choose `Host` or `Origin`. */
export async function ask(
  address: string,
  path: string,
  { method = 'GET', headers = {}, body }: Asked = {},
): Promise<Answered> {
  const { hostname, port } = new URL(address)
  // Node sends a DELETE with a body and no length, which nobody can read.
  const length = body !== undefined && method === 'DELETE' ? { 'content-length': Buffer.byteLength(body) } : {}
  const host = hostname.replace(/[[\]]/g, '')
  const outgoing = request({ hostname: host, port, path, method, headers: { ...length, ...headers }, agent: false })
  outgoing.end(body)
  const [response] = await once(outgoing, 'response')
  let text = ''
  for await (const chunk of response) text += chunk
  const isJson = String(response.headers['content-type']).includes('json') && text !== ''
  return { status: response.statusCode, headers: response.headers, text, body: isJson ? JSON.parse(text) : {} }
}

/** A folder that is removed with the rest. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'slipstream-admin-'))
  leftOpen.push(() => rm(folder, { recursive: true }))
  return folder
}

export async function temporaryFile(content: string, mode = 0o600): Promise<string> {
  const file = join(await temporaryFolder(), 'token')
  await writeFile(file, content, { mode })
  return file
}

/** Publishes a message of type SK and waits until it is acknowledged. */
export async function publish(
  client: Client,
  messageId: string,
  value: unknown = 'a value',
  members: object = {},
): Promise<void> {
  client.send({ type: 'SK', messageId, key: 'a key', value, ...members })
  await eventually(() => client.received.some((message) => message.type === 'ACK' && message.messageId === messageId))
}

/** Waits until that holds; fails after two seconds. */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 2_000; !(await holds()); await wait(2)) {
    if (Date.now() > deadline) throw new Error(`did not come to hold: ${holds}`)
  }
}

/** What that promise was rejected with. */
export async function rejection(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (outcome instanceof Error) return outcome
  throw new Error('was not rejected with an error')
}
