import { afterEach } from 'mocha'
import { type Bus, createBus, type Introduction, type Plugin, type Settings, type Store } from '../../core/index.ts'
import { ack } from '../../plugins/messages/ack.ts'
import { setKey } from '../../plugins/messages/sk.ts'
import { path } from '../../plugins/routes/path.ts'
import { MemoryStore } from '../../plugins/stores/memory.ts'
import { storing } from '../support/bus.ts'
import { introduction, type MemoryConnection, type MemoryNetwork } from '../support/memory-pair.ts'

const running: Bus[] = []

afterEach(async () => {
  for (const bus of running.splice(0)) await bus.stop()
})

export interface InstanceOptions {
  readonly peers?: readonly string[]
  readonly settings?: Partial<Settings>
  readonly store?: Store
  readonly plugins?: readonly Plugin[]
}

/** Starts an instance of that id on the network. It dials again quickly. */
export async function instance(network: MemoryNetwork, id: string, options: InstanceOptions = {}): Promise<Bus> {
  const { peers = [], settings = {}, store = new MemoryStore(), plugins = [] } = options
  const bus = createBus({
    plugins: [storing(store), network.plugin(`memory://${id}`), setKey(), ack(), path(), ...plugins],
    settings: {
      instanceId: id,
      peers: peers.map((peer) => ({ url: `memory://${peer}` })),
      retryDelayMs: 5,
      drainTimeoutMs: 0,
      ...settings,
    },
  })
  running.push(bus)
  await bus.start()
  return bus
}

/** Someone who is no bus: connects and says that of itself. */
export function visitor(network: MemoryNetwork, to: string, says: Partial<Introduction> = {}): MemoryConnection {
  const connection = network.dial({ url: `memory://${to}` }, introduction(says))
  connection.handle({ frame: () => {}, closed: () => {} })
  return connection
}

/** Whether somebody of that name is linked to the bus. */
export const linked = (bus: Bus, name: string) => bus.recipients().find((one) => one.name === name)?.connected ?? false
export const named = (bus: Bus, name: string) => bus.recipients().find((one) => one.name === name)

/** Which end of each pair of connections is still open, as `dialler`. */
export const openEnds = ({ ends }: MemoryNetwork) => ends.filter(({ ending }) => !ending)
