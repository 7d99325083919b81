import {
  type Acknowledgement,
  ID_PATTERN,
  type Kept,
  type Kernel,
  type Outcome,
  problemOf,
} from '../../../core/index.ts'
import { outcomeOf, textOf } from './outcome.ts'

declare module '../../../core/index.ts' {
  interface MessageTypes {
    'command.outcome': { of: string; whole?: boolean }
  }
}

const TYPE = 'command.outcome'
/** Repeated commands after which the mesh is asked at once. Beyond that, whoever asks gets no answer but the ACK, and asks again. */
const MAX_ASKING = 100

interface Gathered {
  readonly kept: readonly Kept[]
  /** Whether that is all there will be, as far as those know who were asked. */
  readonly isAll: boolean
}

/**
 * Tells whoever publishes a command again what came of it, wherever it was run. A REPLY may have been lost on its way back; the outcome
 * is on the disk of each instance that has run it. First all of them are asked whether they have one, then each for it.
 */
export class OutcomeAsking {
  readonly #kernel: Kernel
  #asking = 0

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  /** Registers the request by which instances ask each other. */
  register(): void {
    const kernel = this.#kernel
    const { messageType, executions, hooks } = kernel
    messageType(TYPE, {
      schema: {
        type: 'object',
        required: ['of'],
        properties: { of: { type: 'string', pattern: ID_PATTERN }, whole: { type: 'boolean' } },
      },
      async answer({ body: { of, whole } }) {
        const execution = await executions.find(of)
        if (!execution) return undefined
        const { claimedAt, finishedAt } = execution
        const isOver = finishedAt !== undefined
        const version = `${String(claimedAt).padStart(13, '0')}-00000-${kernel.instanceId}`
        return { value: isOver && whole ? textOf(outcomeOf(execution)) : String(isOver), version }
      },
    })
    hooks.onReceive.tap(({ type, sender }) => {
      if (type !== TYPE || sender.role === 'instance') return undefined
      return {
        status: 'refused',
        code: 'FORBIDDEN',
        reason: 'for instances only; publish the command again with the same messageId',
      }
    })
    hooks.ack.tap((acknowledgements) => {
      for (const one of acknowledgements) {
        if (one.type === 'CMD' && one.status === 'duplicate' && one.sender.role === 'client') void this.#tell(one)
      }
    })
  }

  async #tell({ sender, messageId }: Acknowledgement): Promise<void> {
    if (this.#asking >= MAX_ASKING) return
    this.#asking++
    const { replies } = this.#kernel
    try {
      const { kept, isAll } = await this.#gather(messageId)
      replies.again(sender, messageId, kept, isAll)
    } catch (error) {
      this.#kernel.log.error('outcome not told', { messageId, reason: problemOf(error), error })
    } finally {
      this.#asking--
    }
  }

  /** What is kept of the command by all that can be reached. */
  async #gather(of: string): Promise<Gathered> {
    const { requests } = this.#kernel
    const { findings, complete } = await requests.ask(TYPE, { of, consistency: 'all' })
    const kept: Kept[] = []
    let isAll = complete
    for (const { instanceId, value, version } of findings) {
      if (instanceId === undefined || version === undefined) continue
      const outcome = value === 'true' ? await this.#outcomeAt(instanceId, of) : undefined
      if (outcome) kept.push({ instanceId, outcome })
      else isAll = false
    }
    return { kept, isAll }
  }

  /** Asked of each alone: all of them together may be more than fits into a frame. */
  async #outcomeAt(targetInstanceId: string, of: string): Promise<Outcome | undefined> {
    const { findings } = await this.#kernel.requests.ask(TYPE, {
      of,
      whole: true,
      consistency: 'newest',
      targetInstanceId,
    })
    const [found] = findings
    if (found?.version === undefined) return undefined
    return found.value === 'false' ? undefined : outcomeOf({ text: found.value })
  }
}
