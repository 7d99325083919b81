import type { Ledger } from './ledger.ts'
import type { Place, Publication } from './publication.ts'
import { hostOf } from './transport.ts'

/** Who is linked with whom in the plan: instances with instances and with their applications. */
export type Neighbours = ReadonlyMap<string, readonly string[]>

/**
 * Whether a message that has not arrived at its target still will: some instance has it on disk, with a delivery that
 * waits for somebody from whom a way leads to the target over instances that do not have it yet; or it waits there for its
 * time. Or, if that is asked, whether such a delivery was given up: then it is a dead letter that the target lacks it.
 */
export function isOnTheWay(
  ledger: Ledger,
  neighbours: Neighbours,
  publication: Publication,
  target: Place,
  state: 'waits' | 'died',
): boolean {
  const holds = holding[state]
  const { messageId } = publication
  if (target.role === 'instance' && ledger.facts(target.name).copies.has(messageId)) {
    return holds(ledger, target.name, '@self', messageId)
  }
  const seen = new Set([target.name])
  for (const place of seen) {
    if (state === 'waits' && ledger.hosts.get(place)?.scheduled.has(messageId)) return true
    const instances = (neighbours.get(place) ?? []).filter((name) => ledger.hosts.has(name))
    for (const neighbour of instances) {
      if (!ledger.facts(neighbour).copies.has(messageId)) seen.add(neighbour)
      else if (holds(ledger, neighbour, place, messageId)) return true
    }
  }
  return false
}

function waits(ledger: Ledger, host: string, recipient: string, messageId: string): boolean {
  const { names, waiting, seqs, copies } = ledger.facts(host)
  const places = (copies.get(messageId) ?? []).map((copy) => seqs.get(copy) as number)
  for (const [key, name] of names) {
    if (hostOf(name) === recipient && places.some((seq) => waiting.get(key)?.has(seq))) return true
  }
  return false
}

function died(ledger: Ledger, host: string, recipient: string, messageId: string): boolean {
  const { dead, copies } = ledger.facts(host)
  return (copies.get(messageId) ?? []).some((copy) => dead.has(`${copy} ${recipient}`))
}

const holding = { waits, died }
