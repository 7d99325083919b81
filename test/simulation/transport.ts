import type { Accept, Introduce, Plugin, Transport } from '../../core/index.ts'
import type { Network } from './network.ts'

export function addressOf(host: string): string {
  return `sim://${host}`
}

/** The host that an address, or the name of a recipient that is known by its address only, stands for. */
export function hostOf(name: string): string {
  return name.startsWith('sim://') ? name.slice('sim://'.length) : name
}

/** A transport whose sockets lead through a simulated network. */
export function simulatedTransport(network: Network, host: string): Plugin {
  return {
    name: 'transport-simulated',
    apply(kernel) {
      kernel.transport(transport(network, host))
    },
  }
}

function transport(network: Network, host: string): Transport {
  return {
    name: 'simulated',
    protocols: ['sim:'],
    async listen(introduce: Introduce, accept: Accept) {
      network.listen(host, { introduce, accept })
      return addressOf(host)
    },
    dial: ({ url }, self, signal) => network.dial(host, hostOf(url), self, signal),
    async stopListening() {
      network.stopListening(host)
    },
    async close() {
      network.stopListening(host)
      for (const { dialler, listener } of network.wires(host)) {
        for (const end of [dialler, listener]) if (end.host === host) end.close(1001, 'going away')
      }
    },
  }
}
