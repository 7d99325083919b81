import { type Kernel, problemOf, type Timer } from '../../../core/index.ts'
import { type CommandMessage, viaOf } from './command.ts'
import { type Ended, textOf } from './outcome.ts'

/** How long to wait before outcomes are written down again that the store could not take, in milliseconds. */
const WRITE_AGAIN_MS = 1_000

interface Unwritten {
  readonly message: CommandMessage
  readonly ended: Ended
}

/** Writes down what came of commands, and tells it when it is on disk: whoever asks again must be told the same. */
export class OutcomeWriter {
  readonly #kernel: Kernel
  readonly #written: (messageId: string) => void
  #unwritten: Unwritten[] = []
  #again: Timer | undefined
  #isClosed = false

  /** `written` is called when the outcome of a command is on disk. */
  constructor(kernel: Kernel, written: (messageId: string) => void) {
    this.#kernel = kernel
    this.#written = written
  }

  async write(message: CommandMessage, ended: Ended): Promise<void> {
    const { executions, replies, log } = this.#kernel
    const { messageId } = message
    const { ending, outcome } = ended
    try {
      await executions.finish(messageId, { outcome: ending, text: textOf(outcome) })
      this.#written(messageId)
      replies.answer({ messageId, via: viaOf(message) }, outcome)
    } catch (error) {
      log.error('outcome not written down', { messageId, reason: problemOf(error), error })
      this.#writeAgain({ message, ended })
    }
  }

  /** Tries no more: what could not be written is found without an outcome at the next start. */
  close(): void {
    this.#isClosed = true
    this.#again?.cancel()
  }

  #writeAgain(one: Unwritten): void {
    if (this.#isClosed) return
    this.#unwritten.push(one)
    this.#again ??= this.#kernel.runtime.after(WRITE_AGAIN_MS, () => {
      this.#again = undefined
      for (const { message, ended } of this.#unwritten.splice(0)) void this.write(message, ended)
    })
  }
}
