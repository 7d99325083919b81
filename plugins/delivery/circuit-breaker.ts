import { type Plugin, Stage } from '../../core/index.ts'
import { Circuits } from './circuits.ts'

declare module '../../core/index.ts' {
  interface Services {
    /** Which types wait for which recipients, because whatever handles them there fails. */
    readonly circuits: Pick<Circuits, 'open' | 'openings'>
  }
}

/**
 * When several messages of one type fail in a row at one recipient, it is not they who are at fault but whatever handles
 * them there. The circuit of that type at that recipient opens: its deliveries wait, in their places, and nothing of what
 * fails is counted against them. One at a time then goes as a probe, after the retry delay at first and a minute at most; the
 * first acknowledgement closes the circuit, and everything goes in its old order. Other types and other recipients are not
 * concerned. This instance itself is a recipient like any other: there, a type fails whose `apply` throws.
 *
 * Only failures that would count open it (§6 of the protocol): refusals that may be overcome, and timeouts. One message that
 * fails by itself never does. What is known is kept in memory: after a restart all circuits are closed.
 *
 * @param options.failures how many different messages must fail without any acknowledgement of their type in between
 */
export function circuitBreaker({ failures = 5 } = {}): Plugin {
  return {
    name: 'circuit-breaker',
    version: '1.0.0',
    options: { failures },
    optionsSchema: {
      type: 'object',
      additionalProperties: false,
      properties: { failures: { type: 'integer', minimum: 2, maximum: 1_000 } },
    },
    apply(kernel) {
      const circuits = new Circuits(kernel, failures)
      kernel.provide('circuits', circuits)
      // Before anybody decides: what is to wait must not have been counted.
      kernel.hooks.republish.tap(
        (due) => {
          for (const one of due) {
            if (one.cause === 'nack' || one.cause === 'timeout') circuits.failed(one)
            else if (one.cause === 'disconnect') circuits.lost(one)
          }
        },
        { stage: Stage.LIMITS },
      )
      kernel.hooks.settled.tap(({ recipient, message }) => circuits.succeeded(recipient, message.type))
      kernel.hooks.applied.tap(({ type }) => circuits.applied(type))
      kernel.hooks.stop.tap(() => circuits.stop())
    },
  }
}
