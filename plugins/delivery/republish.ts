import { backoff, type DueDelivery, type Kernel, type Plugin } from '../../core/index.ts'

declare module '../../core/index.ts' {
  interface Settings {
    /** Counted failures of a delivery, beyond which it becomes a dead letter. */
    readonly maxRepublishAttempts?: number
  }
}

/** Lost links with one and the same message alone in flight: the recipient does not survive it. */
const POISON_DISCONNECTS = 20

/**
 * Decides what becomes of deliveries that did not succeed (§6 of the protocol). Only a recipient's own verdict counts
 * against a message: a refusal, or a timeout while it acknowledges what was sent later. Silence is the link's matter: what
 * is in flight goes once more.
 *
 * @param options.maxAttempts counted failures beyond which a delivery is given up; the setting takes precedence
 */
export function republish({ maxAttempts = 3 } = {}): Plugin {
  return {
    name: 'republish',
    version: '1.0.0',
    apply(kernel) {
      const limit = kernel.settings.maxRepublishAttempts ?? maxAttempts
      kernel.hooks.republish.tap((due) => {
        const silent = due.filter(({ cause }) => cause === 'silence')
        if (silent.length > 0) kernel.deliveries.sendAgain(silent)
        for (const one of due) if (one.cause !== 'silence') decide(kernel, one, limit)
      })
    },
  }
}

function decide({ deliveries, settings, runtime }: Kernel, due: DueDelivery, limit: number): void {
  const { nacks, timeouts, disconnects } = due.attempts
  const failures = nacks + timeouts
  if (due.cause === 'expiry') deliveries.deadLetter(due, 'EXPIRED')
  else if (due.cause === 'rejection') deliveries.deadLetter(due, 'REJECTED')
  else if (disconnects >= POISON_DISCONNECTS) deliveries.deadLetter(due, 'POISON')
  else if (failures > limit) deliveries.deadLetter(due, 'ATTEMPTS_EXHAUSTED')
  else if (due.cause === 'disconnect') deliveries.retry(due, 0)
  else deliveries.retry(due, backoff(failures, settings.retryDelayMs, runtime.random()))
}
