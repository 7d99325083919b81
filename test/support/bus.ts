import { afterEach } from 'mocha'
import {
  type Bus,
  createBus,
  type LogFields,
  type LogLevel,
  type Plugin,
  type Runtime,
  type Settings,
  type StateBackend,
  type Store,
} from '../../core/index.ts'
import { memoryHint } from '../../plugins/dedup/memory.ts'
import { republish } from '../../plugins/delivery/republish.ts'
import { ack } from '../../plugins/messages/ack.ts'
import { deleteKey } from '../../plugins/messages/del.ts'
import { getArray } from '../../plugins/messages/ga.ts'
import { getKey } from '../../plugins/messages/gk.ts'
import { getWeighted } from '../../plugins/messages/gw.ts'
import { hello } from '../../plugins/messages/hello.ts'
import { nack } from '../../plugins/messages/nack.ts'
import { reply } from '../../plugins/messages/reply.ts'
import { setArray } from '../../plugins/messages/sa.ts'
import { setKey } from '../../plugins/messages/sk.ts'
import { subscribe } from '../../plugins/messages/subscribe.ts'
import { setWeighted } from '../../plugins/messages/sw.ts'
import { path } from '../../plugins/routes/path.ts'
import { tags } from '../../plugins/routes/tags.ts'
import { target } from '../../plugins/routes/target.ts'
import { MemoryStore } from '../../plugins/stores/memory.ts'
import { websocket } from '../../plugins/transports/websocket/index.ts'
import { closeClients } from './client.ts'

export interface StartOptions {
  /** Loaded behind the standard ones. */
  readonly plugins?: readonly Plugin[]
  /** Names of standard plugins to leave out. */
  readonly without?: readonly string[]
  readonly settings?: Partial<Settings>
  /** Default: a new one in memory. The same object given to a later bus is a restart. */
  readonly store?: Store
  readonly runtime?: Runtime
}

export interface LogRecord {
  readonly level: LogLevel
  readonly event: string
  readonly fields: LogFields
}

export interface RunningBus {
  readonly bus: Bus
  readonly id: string
  /** Where clients and peers dial; empty when it listens nowhere. */
  readonly url: string
  readonly log: readonly LogRecord[]
  stop(): Promise<void>
}

const running = new Set<Bus>()

/** A plugin that brings that store. */
export const storing = (store: Store): Plugin => ({ name: 'store', apply: (kernel) => kernel.store(store) })

/** A plugin that brings that state backend. */
export const keeping = (state: StateBackend): Plugin => ({
  name: 'state',
  apply: (kernel) => kernel.stateBackend(state),
})

/** What `startBus` loads: the built-in messages, routes, deduplication and delivery, a store, and a WebSocket on port 0. */
export const standardPlugins = (store: Store = new MemoryStore()): readonly Plugin[] => [
  storing(store),
  websocket({ port: 0 }),
  setKey(),
  setArray(),
  setWeighted(),
  deleteKey(),
  getKey(),
  getArray(),
  getWeighted(),
  reply(),
  ack(),
  nack(),
  hello(),
  memoryHint(),
  path(),
  tags(),
  target(),
  subscribe(),
  republish(),
]

/** Starts a real bus, stopped when the test ends. */
export async function startBus(options: StartOptions = {}): Promise<RunningBus> {
  const { plugins = [], without = [], settings = {}, store, runtime } = options
  const log: LogRecord[] = []
  const logging: Plugin = {
    name: 'recording log',
    apply: (kernel) => kernel.logSink((level, event, fields) => void log.push({ level, event, fields })),
  }
  const standard = standardPlugins(store).filter(({ name }) => !without.includes(name))
  const bus = createBus({
    plugins: [logging, ...standard, ...plugins],
    settings: { drainTimeoutMs: 50, ...settings },
    ...(runtime && { runtime }),
  })
  running.add(bus)
  await bus.start()
  return { bus, id: bus.instanceId, url: bus.addresses[0] ?? '', log, stop: () => bus.stop() }
}

afterEach(async () => {
  await closeClients()
  await Promise.all([...running].map((bus) => bus.stop()))
  running.clear()
})
