import { Exit } from './exit.ts'
import { say } from './output.ts'

/**
 * Resolves at the first of these signals, so that the command can end in order. A second one ends the process at once,
 * with exit code 1: what was under way was not finished.
 */
export function untilSignal(...signals: readonly NodeJS.Signals[]): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let asked = false
    const heard = (signal: NodeJS.Signals) => {
      if (asked) {
        say('Ended at once.')
        process.exit(Exit.FAILED)
      }
      asked = true
      resolve(signal)
    }
    for (const signal of signals) process.on(signal, heard)
  })
}

/**
 * Resolves when the process that started this one, with a channel to it, is gone: whatever way it went, what it started
 * ends with it. Never, for one that was started without a channel.
 */
export function untilOrphaned(): Promise<void> {
  return new Promise((resolve) => process.once('disconnect', resolve))
}
