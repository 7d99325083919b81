import { isId } from '../protocol/fields.ts'
import { linkLimits } from '../protocol/limits.ts'
import type { Received } from '../protocol/received.ts'
import { scanItems, scanMembers } from '../protocol/scan.ts'
import type { Finding } from './finding.ts'

/** What a branch has answered. */
export interface Reply {
  readonly findings: readonly Finding[]
  /** False when somebody behind it has not answered in time. */
  readonly complete: boolean
}

interface ReplyBody {
  readonly value?: unknown
  readonly values?: readonly unknown[]
  readonly version?: string
  readonly complete?: boolean
}

/** Reads a REPLY of a neighbour, values to the byte. */
export function readReply(received: Received): Reply {
  const { values, value, version, complete = true } = received.body as ReplyBody
  if (values)
    return { findings: scanItems(raw(received, 'values') as string, linkLimits.maxDepth).map(itemOf), complete }
  if (value === undefined) return { findings: [], complete }
  const { peer } = received.sender
  return {
    findings: [{ instanceId: isId(peer) ? peer : undefined, value: raw(received, 'value') as string, version }],
    complete,
  }
}

function raw({ text, members }: Received, name: string): string | undefined {
  const place = members.get(name)
  return place && text.slice(place.valueStart, place.end)
}

/** Its schema has been checked: an object with these members. */
function itemOf(text: string): Finding {
  const members = scanMembers(text, linkLimits.maxDepth)
  const { instanceId, version } = JSON.parse(text) as { instanceId?: string; version?: string }
  const place = members.get('value')
  return { instanceId, version, value: place ? text.slice(place.valueStart, place.end) : 'null' }
}
