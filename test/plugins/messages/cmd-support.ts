import type { Plugin, Settings, Store } from '../../../core/index.ts'
import { type CommandHandler, type CommandsOptions, commands } from '../../../plugins/messages/cmd.ts'
import { type RunningBus, startBus } from '../../support/bus.ts'
import { type Client, eventually, type Frame } from '../../support/client.ts'

export interface InstanceOptions {
  readonly dials?: readonly RunningBus[]
  /** `*` for everybody, if nothing is said. */
  readonly allow?: CommandsOptions['allow'] | false
  readonly handlers?: Readonly<Record<string, CommandHandler>>
  readonly settings?: Partial<Settings>
  readonly store?: Store
  readonly plugins?: readonly Plugin[]
}

/** Commands that count how often they were run, by the id of the message. */
export class Counting {
  readonly runs: string[] = []
  readonly handlers: Readonly<Record<string, CommandHandler>> = {
    'test.count': {
      run: (_, { messageId, instanceId }) => {
        this.runs.push(`${messageId}@${instanceId}`)
        return this.runs.length
      },
    },
  }
}

/** Commands that wait until they are told what to return. */
export class Waiting {
  readonly #resolves: ((value: unknown) => void)[] = []
  readonly handlers: Readonly<Record<string, CommandHandler>> = {
    'test.wait': { run: () => new Promise((resolve) => this.#resolves.push(resolve)) },
  }

  /** How many have begun. */
  get begun(): number {
    return this.#resolves.length
  }

  finish(value?: unknown, index = 0): void {
    this.#resolves[index]?.(value)
  }
}

/** Starts an instance with commands, all allowed to everybody unless it is said otherwise, and dials those. */
export async function instance(name: string, options: InstanceOptions = {}): Promise<RunningBus> {
  const { dials = [], handlers = {}, settings = {}, store, plugins = [] } = options
  const names = ['slipstream.ping', 'slipstream.status', ...Object.keys(handlers)]
  const allow = options.allow ?? names.map((command) => ({ command, identities: '*' as const }))
  const registering: Plugin = {
    name: 'handlers',
    apply(kernel) {
      for (const [command, handler] of Object.entries(handlers)) kernel.use('commands').register(command, handler)
    },
  }
  const bus = await startBus({
    ...(store && { store }),
    settings: { instanceId: name, peers: dials.map(({ url }) => ({ url })), retryDelayMs: 50, ...settings },
    plugins: [commands(allow ? { allow } : {}), registering, ...plugins],
  })
  await eventually(() => bus.bus.links().length >= dials.length)
  return bus
}

let sent = 0

export const inAMinute = () => Date.now() + 60_000

/** Publishes a command. Resolves to its ACK or NACK. */
export function send(client: Client, command: string, message: Readonly<Record<string, unknown>> = {}) {
  return client.publish({ type: 'CMD', command, expiresAt: inAMinute(), messageId: `cmd-${++sent}`, ...message })
}

/** The next REPLY to that message, or the next one that says that nothing more comes. */
export async function reply(client: Client, messageId: string, complete?: true): Promise<Frame['body']> {
  const isIt = (body: Frame['body']) => body.type === 'REPLY' && body.correlationId === messageId
  return (await client.next((body) => isIt(body) && (complete === undefined || body.complete === true))).body
}

/** Publishes a command, and resolves to the REPLY. */
export async function run(client: Client, command: string, message: Readonly<Record<string, unknown>> = {}) {
  const { messageId } = await send(client, command, message)
  return reply(client, messageId as string)
}
