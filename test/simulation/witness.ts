import type { DueDelivery, Kernel, Message, Plugin } from '../../core/index.ts'
import { copyOf } from './copy.ts'
import type { Ledger } from './ledger.ts'
import { APPLIED_TYPE, isFor } from './publication.ts'
import type { Traffic } from './traffic.ts'
import { hostOf } from './transport.ts'
import type { WallClocks } from './wall-clocks.ts'
import type { World } from './world.ts'

/** A stamp may be ahead of local time by so much. */
const MAX_AHEAD_MS = 60_000

declare module '../../core/index.ts' {
  interface MessageTypes {
    'sim.note': { key: string; value: unknown }
  }
}

export interface WitnessOptions {
  readonly retryDelayMs: number
  /** Whether the type that all instances handle is strict, and whether it fails now and then; undefined: it is not. */
  readonly strictness: { readonly fails: () => boolean } | undefined
}

/** Chance of a strict type to fail, in runs in which it does. */
const FAILS = 0.2

/** A plugin inside of a simulated bus: handles the type that all instances apply, and tells what the bus says of itself. */
export function witness(
  world: World,
  ledger: Ledger,
  traffic: Traffic,
  clocks: WallClocks,
  host: string,
  { retryDelayMs, strictness }: WitnessOptions,
): Plugin {
  const progress = new Map<string, number>()
  const random = strictness && world.random.fork()
  return {
    name: 'witness',
    apply(kernel) {
      const applied = (message: Message<unknown>) => {
        const ahead = Number(message.version?.slice(0, 13)) - clocks.latest(host)
        if (ahead > MAX_AHEAD_MS) world.violate('nothing is handled ahead of time', `${message.messageId} at ${host}`)
        handled(world, ledger, host, message)
        const publication = ledger.publications.get(message.messageId)
        // When a clock is set right, what was put aside until its time is not looked at at once.
        if (publication && !clocks.astray) traffic.handled(host, publication, copyOf(message))
      }
      kernel.messageType(APPLIED_TYPE, {
        schema: { type: 'object', required: ['key', 'value'], properties: { key: { type: 'string' }, value: true } },
        orderingKey: ({ key }) => key,
        ...(strictness && { order: 'strict' }),
        apply: (messages) => {
          if (strictness?.fails() && random?.chance(FAILS)) {
            for (const { messageId } of messages) ledger.refused('@self', messageId, true)
            throw new Error('it has no time for this')
          }
          for (const message of messages) applied(message)
        },
      })
      kernel.hooks.applied.tap(({ type, messages }) => {
        if (type !== APPLIED_TYPE) for (const message of messages) applied(message)
      })
      const { life } = ledger.facts(host)
      // What still comes in on connections that are being closed changes nothing for the life that comes after.
      const isOver = () => ledger.facts(host).life !== life
      kernel.hooks.settled.tap(({ recipient, message }) => {
        if (isOver()) return
        progress.set(recipient.name, world.now)
        traffic.done(host, hostOf(recipient.name), copyOf(message))
      })
      kernel.hooks.republish.tap((due) => {
        if (isOver()) return
        for (const one of due) {
          const quiet = world.now - (progress.get(one.recipient.name) ?? Number.NEGATIVE_INFINITY)
          if (one.cause === 'silence' && quiet < retryDelayMs) {
            world.violate('due only after the retry delay', `${one.delivery.message.messageId} at ${host}`)
          }
          didNotSucceed(traffic, host, kernel, one)
        }
      })
      kernel.logSink(
        (level, event, { reason, code }) => world.note(`${host} logs ${level} ${event}: ${reason ?? code ?? ''}`),
        (level) => level === 'error' || level === 'critical',
      )
    },
  }
}

function didNotSucceed(traffic: Traffic, host: string, kernel: Kernel, due: DueDelivery): void {
  const { recipient, delivery, cause, attempts } = due
  const copy = copyOf(delivery.message)
  if (cause === 'silence') traffic.due(host, hostOf(recipient.name), copy)
  else if (isBehindCircuit(kernel, due)) traffic.held(host, hostOf(recipient.name), copy)
  else traffic.failed(host, hostOf(recipient.name), copy, attempts)
}

/** Whether its type is not sent to that recipient for now, so that it waits and nothing is counted. */
function isBehindCircuit(kernel: Kernel, { recipient, delivery, cause }: DueDelivery): boolean {
  if (cause !== 'nack' && cause !== 'timeout') return false
  const open = kernel.find('circuits')?.open ?? []
  return open.some((circuit) => circuit.recipient === recipient && circuit.type === delivery.message.type)
}

/** Handled once in one life, and never once it is on disk that it is done; only where it is for, and as it was written. */
function handled(world: World, ledger: Ledger, host: string, message: Message<unknown>): void {
  const { applied, life, seqs, settled } = ledger.facts(host)
  const copy = copyOf(message)
  const detail = `${copy} at ${host}`
  const publication = ledger.publications.get(message.messageId)
  const place = ledger.places.get(host)
  if (!seqs.has(copy)) world.violate('durable before it is handled', detail)
  if (applied.get(copy)?.has(life)) world.violate('handled once', `${detail}, twice in one life`)
  if (settled.has(`${copy} @self`)) world.violate('handled once', `${detail}, after that was settled`)
  if (!publication || publication.value !== message.raw('value')) world.violate('a text stays as it was', detail)
  if (publication && place && !isFor(publication, place)) world.violate('only for those whom it targets', detail)
  world.note(`${host} handles ${copy}`)
  ledger.applied(host, copy)
}
