import { EXECUTION_IDS, type Kernel, type Plugin, type Receipt, type Received } from '../../core/index.ts'
import { applyCommands, interruptCommands } from './cmd/applying.ts'
import { OutcomeAsking } from './cmd/asking.ts'
import { registerBuiltIns } from './cmd/built-in.ts'
import type { CommandBody } from './cmd/command.ts'
import { type Permission, Permissions } from './cmd/permissions.ts'
import { COMMAND_PATTERN, type CommandHandler, CommandRegistry, MAX_NAME, MAX_TIMEOUT_MS } from './cmd/registry.ts'
import { CommandRunner, type EndedCommand } from './cmd/runner.ts'

export { ENDINGS, type Ending } from './cmd/outcome.ts'
export type { Permission } from './cmd/permissions.ts'
export type { CommandContext, CommandHandler } from './cmd/registry.ts'
export type { EndedCommand } from './cmd/runner.ts'

declare module '../../core/index.ts' {
  interface MessageTypes {
    CMD: CommandBody
  }
  interface Services {
    /** Commands that can be run by their names. */
    readonly commands: Commands
  }
}

export interface Commands {
  /** Registers a command. Throws `SLP_COMMAND_TAKEN` or `SLP_COMMAND_INVALID`. Whether anybody may run it is the operator's to say. */
  register(name: string, handler: CommandHandler): void
  /** Names of all that are registered. */
  names(): readonly string[]
  /** Calls back for each command that has ended here. */
  watch(ended: (command: EndedCommand) => void): void
}

export interface CommandsOptions {
  /** Who may have which command run here. Nobody and nothing, unless it is said. */
  readonly allow?: readonly Permission[]
}

const HOUR_MS = 60 * 60 * 1_000
/** How far ahead `expiresAt` may be. */
const MAX_AHEAD_MS = 24 * HOUR_MS

/**
 * `CMD`: runs a command that a plugin has registered, once for each message id, at every instance that it is for, and answers with a
 * `REPLY`. Nothing is run unless it is allowed: `commands({ allow: [{ command: 'slipstream.ping', identities: ['ops-1'] }] })`.
 */
export function commands(options: CommandsOptions = {}): Plugin {
  return {
    name: 'commands',
    options,
    optionsSchema,
    apply(kernel) {
      const registry = new CommandRegistry()
      const permissions = new Permissions(options.allow ?? [])
      const watchers: ((command: EndedCommand) => void)[] = []
      const ended = (command: EndedCommand) => {
        for (const watcher of watchers) watcher(command)
      }
      const runner = new CommandRunner(kernel, { registry, permissions, ended })
      registerBuiltIns(registry, kernel)
      kernel.provide('commands', {
        register: (name, handler) => registry.register(name, handler),
        names: () => registry.names,
        watch: (watcher) => void watchers.push(watcher),
      })
      kernel.windows.repeats(EXECUTION_IDS, MAX_AHEAD_MS, 'the latest expiresAt')
      registerType(kernel, runner)
      new OutcomeAsking(kernel).register()
      kernel.hooks.onReceive.tap((received) => refusalAtEntry(received, permissions, kernel.runtime.now()))
      // A command is for instances: an application has nothing to run.
      kernel.hooks.route.tap((route, { type }) =>
        type === 'CMD' ? route.without('command', ({ role }) => role === 'client') : route,
      )
      kernel.hooks.start.tapPromise(() => interruptCommands(kernel))
      kernel.hooks.deadLetter.tap(({ recipient, message, reason }) => {
        if (message.type === 'CMD' && recipient.role === 'self' && reason === 'EXPIRED') runner.expired(message)
      })
      kernel.hooks.drain.tapPromise(() => runner.close(kernel.settings.drainTimeoutMs / 2))
    },
  }
}

const optionsSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    allow: {
      type: 'array',
      maxItems: 1_000,
      items: {
        type: 'object',
        required: ['command', 'identities'],
        additionalProperties: false,
        properties: {
          command: { type: 'string', pattern: COMMAND_PATTERN, maxLength: MAX_NAME },
          identities: {
            anyOf: [
              { const: '*' },
              { type: 'array', maxItems: 1_000, items: { type: 'string', minLength: 1, maxLength: 128 } },
            ],
          },
        },
      },
    },
  },
}

function registerType(kernel: Kernel, runner: CommandRunner): void {
  kernel.messageType('CMD', {
    schema: {
      type: 'object',
      required: ['command'],
      properties: {
        command: { type: 'string', pattern: COMMAND_PATTERN, maxLength: MAX_NAME },
        args: true,
        timeoutMs: { type: 'integer', minimum: 1, maximum: MAX_TIMEOUT_MS },
      },
    },
    check: ({ members }) => (members.has('expiresAt') ? undefined : EXPIRY_RULE),
    replies: true,
    replay: 'named',
    apply: (messages) => applyCommands(messages, kernel, runner),
  })
}

const EXPIRY_RULE =
  '/expiresAt must be there, in milliseconds since the epoch, 24 hours ahead at most: past it, it is not run'

/** Why a command may not enter here; undefined: it may, or it is none, or it entered elsewhere. */
function refusalAtEntry(received: Received, permissions: Permissions, now: number): Receipt | undefined {
  if (received.type !== 'CMD' || !received.entersHere) return undefined
  const { command, expiresAt, notBefore } = received.body as unknown as CommandBody & Times
  if (expiresAt > now + MAX_AHEAD_MS) return { status: 'refused', code: 'INVALID_MESSAGE', reason: EXPIRY_RULE }
  if (notBefore !== undefined) return { status: 'refused', code: 'INVALID_MESSAGE', reason: DELAY_RULE }
  if (permissions.allows(command, received.sender.peer)) return undefined
  return { status: 'refused', code: 'FORBIDDEN', reason: PERMISSION_RULE, retryable: false }
}

interface Times {
  readonly expiresAt: number
  readonly notBefore?: number
}

const DELAY_RULE = '/notBefore must not be there: publish a command when it is to be run'
const PERMISSION_RULE =
  'this instance does not allow this command to this publisher; allow it in its configuration: ' +
  'standard({ commands: { allow: [{ command, identities: [name] }] } })'
