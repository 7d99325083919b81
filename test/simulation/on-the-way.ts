import type { Ledger } from './ledger.ts'
import type { Place, Publication } from './publication.ts'
import { hostOf } from './transport.ts'

/** Who is linked with whom in the plan: instances with instances and with their applications. */
export type Neighbours = ReadonlyMap<string, readonly string[]>

/**
 * Whether a message that has not arrived at its target still will: some instance has it on disk, with a delivery that
 * waits for somebody from whom a way leads to the target over instances that do not have it yet.
 */
export function isOnTheWay(ledger: Ledger, neighbours: Neighbours, publication: Publication, target: Place): boolean {
  const { messageId } = publication
  if (target.role === 'instance' && ledger.facts(target.name).seqs.has(messageId)) {
    return waits(ledger, target.name, '@self', messageId)
  }
  const seen = new Set([target.name])
  for (const place of seen) {
    for (const neighbour of neighbours.get(place) ?? []) {
      const facts = ledger.hosts.get(neighbour)
      if (!facts?.seqs.has(messageId)) {
        if (facts) seen.add(neighbour)
      } else if (waits(ledger, neighbour, place, messageId)) {
        return true
      }
    }
  }
  return false
}

function waits(ledger: Ledger, host: string, recipient: string, messageId: string): boolean {
  const { names, waiting, seqs } = ledger.facts(host)
  const seq = seqs.get(messageId) as number
  for (const [key, name] of names) if (hostOf(name) === recipient && waiting.get(key)?.has(seq)) return true
  return false
}
