import { MAX_HOPS } from './protocol/hello.ts'
import type { Recipient } from './recipient.ts'

/** Tags, and to each how many links lie between. */
export type Reach = ReadonlyMap<string, number>

/**
 * The tags that are reachable through this instance, by their names: its own, and those of everyone it knows, but for what lies
 * behind the one who asks. What is too far away is left out: so a tag that nobody bears any more, and that instances in a ring
 * tell each other of, is forgotten in the end.
 */
export function reachable(own: readonly string[], recipients: readonly Recipient[], except?: string): Reach {
  const reach = new Map(own.map((tag) => [tag, 0]))
  for (const { name, role, tags, hops } of recipients) {
    // Its tags are its own, and not a link away.
    if (name === except || role === 'self') continue
    for (const tag of tags) {
      const links = (hops?.get(tag) ?? 0) + 1
      if (links < Math.min(MAX_HOPS, reach.get(tag) ?? MAX_HOPS)) reach.set(tag, links)
    }
  }
  return new Map([...reach].sort(([one], [other]) => (one < other ? -1 : 1)))
}
