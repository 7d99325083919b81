import type { Execution, ExecutionClaim, Kernel, Outcome } from '../../../core/index.ts'
import { type CommandMessage, publisherOf, viaOf } from './command.ts'
import { isAnothers } from './group.ts'
import { CONFLICT, INTERRUPTED, outcomeOf, textOf } from './outcome.ts'
import type { CommandRunner } from './runner.ts'

/**
 * Claims commands that are this instance's to run, on disk, and hands them to the runner. Then their deliveries are done: what comes
 * behind them is not held up, and a crash does not bring them back.
 */
export async function applyCommands(
  messages: readonly CommandMessage[],
  kernel: Kernel,
  runner: CommandRunner,
): Promise<void> {
  const own: CommandMessage[] = []
  for (const message of messages) {
    if (isAnothers(message, kernel)) tell(message, undefined, kernel)
    else own.push(message)
  }
  const known = await kernel.executions.claim(own.map(claimOf))
  runner.take(own.filter((_, index) => known[index] === undefined))
  own.forEach((message, index) => {
    const execution = known[index]
    if (execution) again(message, execution, kernel, runner)
  })
}

/** At the start: what a process before this one has begun and not ended is over, and whoever waits for it is told. */
export async function interruptCommands({ executions, replies, log }: Kernel): Promise<void> {
  const { ending, outcome } = INTERRUPTED
  const interrupted = await executions.interrupt({ outcome: ending, text: textOf(outcome) })
  for (const { messageId, via, name } of interrupted) {
    log.error('command interrupted', { messageId, command: name, status: ending })
    replies.answer({ messageId, via }, outcome)
  }
}

/** It was claimed before: it is not run again, and whoever waits is told what is known of it. */
function again(message: CommandMessage, execution: Execution, kernel: Kernel, runner: CommandRunner): void {
  if (execution.fingerprint !== message.fingerprint) tell(message, CONFLICT, kernel)
  else if (execution.finishedAt !== undefined) tell(message, outcomeOf(execution), kernel)
  else if (!runner.has(message.messageId)) runner.interrupted(message)
}

function tell(message: CommandMessage, outcome: Outcome | undefined, { replies }: Kernel): void {
  replies.answer({ messageId: message.messageId, via: viaOf(message) }, outcome)
}

function claimOf(message: CommandMessage): ExecutionClaim {
  const { messageId, fingerprint, body } = message
  return { messageId, fingerprint, name: body.command, publisher: publisherOf(message), via: viaOf(message) }
}
