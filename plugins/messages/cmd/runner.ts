import { type ExecutionClaim, type Kernel, type Recipient, SELF, type StoredMessage } from '../../../core/index.ts'
import { type CommandBody, type CommandMessage, publisherOf } from './command.ts'
import { type Ended, type Ending, EXPIRED, FORBIDDEN, INTERRUPTED, UNKNOWN, without } from './outcome.ts'
import type { Permissions } from './permissions.ts'
import type { CommandRegistry, Registered } from './registry.ts'
import { type Running, runHandler } from './running.ts'
import { OutcomeWriter } from './writing.ts'

/** A command that has ended. */
export interface EndedCommand {
  /** Undefined when it is none that is registered. */
  readonly command: string | undefined
  readonly ending: Ending
  /** How long its handler took; undefined when it was not run. */
  readonly milliseconds: number | undefined
}

export interface RunnerParts {
  readonly registry: CommandRegistry
  readonly permissions: Permissions
  ended(command: EndedCommand): void
}

/** Handlers that run at once. Beyond that, what is claimed waits here, a batch at most, and all else on disk. */
const MAX_RUNNING = 16
const POLL_MS = 20

/** Runs commands that were claimed, each once. */
export class CommandRunner {
  readonly #kernel: Kernel
  readonly #parts: RunnerParts
  readonly #outcomes: OutcomeWriter
  readonly #waiting: CommandMessage[] = []
  readonly #running = new Set<Running>()
  /** Ids of those whose outcome is not on disk yet. */
  readonly #open = new Set<string>()
  #isHeld = false
  #isClosed = false

  constructor(kernel: Kernel, parts: RunnerParts) {
    this.#kernel = kernel
    this.#parts = parts
    this.#outcomes = new OutcomeWriter(kernel, (messageId) => this.#open.delete(messageId))
  }

  /** Whether it was given to this process, and its outcome is not on disk yet. */
  has(messageId: string): boolean {
    return this.#open.has(messageId)
  }

  /** Takes commands that were claimed just now. */
  take(messages: readonly CommandMessage[]): void {
    for (const message of messages) {
      this.#open.add(message.messageId)
      this.#waiting.push(message)
    }
    this.#pump()
  }

  /** Ends one that was claimed and that nobody runs. */
  interrupted(message: CommandMessage): void {
    this.#open.add(message.messageId)
    this.#end(message, INTERRUPTED)
  }

  /** Takes note of one whose time was over before it could be claimed: its delivery is a dead letter, and whoever asked is told. */
  expired({ messageId, text, path }: StoredMessage): void {
    const { command, originInstanceId } = JSON.parse(text) as CommandBody & { originInstanceId: string }
    this.#report({ messageId, command, publisher: publisherOf({ path, originInstanceId }) }, 'expired')
  }

  /** Takes nothing new, lets what is under way come to its end for that time, in milliseconds, and interrupts the rest. */
  async close(withinMs: number): Promise<void> {
    const { runtime } = this.#kernel
    this.#hold()
    const deadline = runtime.monotonic() + withinMs
    while (this.#open.size > 0 && runtime.monotonic() < deadline) {
      await new Promise<void>((resolve) => runtime.after(POLL_MS, resolve))
    }
    this.#isClosed = true
    for (const running of [...this.#running]) running.stop()
    this.#pump()
    this.#outcomes.close()
  }

  #pump(): void {
    while (this.#isClosed || this.#running.size < MAX_RUNNING) {
      const message = this.#waiting.shift()
      if (!message) break
      if (this.#isClosed) this.#end(message, INTERRUPTED)
      else this.#begin(message)
    }
    if (this.#waiting.length > 0) this.#hold()
    else if (!this.#kernel.draining) this.#release()
  }

  #begin(message: CommandMessage): void {
    const { runtime, instanceId } = this.#kernel
    const registered = this.#parts.registry.get(message.body.command)
    const refusal = this.#refusal(message, registered)
    if (refusal || !registered) {
      this.#end(message, refusal ?? UNKNOWN)
      return
    }
    const began = runtime.monotonic()
    const running = runHandler(message, registered, { runtime, instanceId }, (ended) => {
      this.#running.delete(running)
      this.#end(message, ended, runtime.monotonic() - began)
      this.#pump()
    })
    this.#running.add(running)
  }

  /** Why it must not be run; undefined: it may be. */
  #refusal(message: CommandMessage, registered: Registered | undefined): Ended | undefined {
    const { command, args } = message.body
    if ((message.expiresAt ?? 0) <= this.#kernel.runtime.now()) return EXPIRED
    if (!this.#parts.permissions.allows(command, publisherOf(message))) return FORBIDDEN
    const fault = registered?.fault(args)
    return fault === undefined ? undefined : without('invalid_args', fault)
  }

  #end(message: CommandMessage, ended: Ended, milliseconds?: number): void {
    const { messageId, body } = message
    this.#report({ messageId, command: body.command, publisher: publisherOf(message) }, ended.ending, milliseconds)
    void this.#outcomes.write(message, ended)
  }

  #report(
    { messageId, command, publisher }: Pick<ExecutionClaim, 'messageId' | 'publisher'> & { readonly command: string },
    ending: Ending,
    milliseconds?: number,
  ): void {
    const took = milliseconds === undefined ? {} : { milliseconds: Math.round(milliseconds) }
    const who = publisher === undefined ? {} : { peer: publisher }
    this.#kernel.log.message('command ended', { messageId, command, ...who, status: ending, ...took })
    this.#parts.ended({ command: this.#parts.registry.get(command) && command, ending, milliseconds })
  }

  /** What is not claimed yet waits on disk, in its place. */
  #hold(): void {
    if (this.#isHeld) return
    this.#isHeld = true
    this.#kernel.deliveries.hold(this.#self, 'CMD')
  }

  #release(): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    this.#kernel.deliveries.release(this.#self, 'CMD')
  }

  get #self(): Recipient {
    return this.#kernel.recipients().find(({ name }) => name === SELF) as Recipient
  }
}
