import type { Recipient } from './recipient.ts'

/**
 * The tags that are reachable through this instance: its own, and those of everyone it knows, but for what lies behind the
 * one who asks.
 */
export function reachable(
  own: readonly string[],
  recipients: readonly Recipient[],
  except?: string,
): readonly string[] {
  const tags = new Set(own)
  for (const recipient of recipients) {
    if (recipient.name !== except) for (const tag of recipient.tags) tags.add(tag)
  }
  return [...tags].sort()
}
