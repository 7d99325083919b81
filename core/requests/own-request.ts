import { type Message, SINGLETON_GROUP } from '../message.ts'
import { DEFAULT_PRIORITY } from '../protocol/fields.ts'
import type { Consistency } from './finding.ts'

/** A request that an instance makes itself: what its type asks, and of whom. */
export interface OwnRequest extends Readonly<Record<string, unknown>> {
  readonly consistency: Consistency
  /** In milliseconds; 5,000 if not given. */
  readonly timeoutMs?: number
  readonly targetInstanceId?: string | undefined
}

/** The message that carries it. It bears no sequence, so that an instance that does not know its type refuses it. */
export function ownRequest(type: string, request: OwnRequest, messageId: string, originInstanceId: string): Message {
  const text = JSON.stringify({ type, messageId, originInstanceId, ...request })
  return Object.freeze({
    ...{ type, messageId, originInstanceId, text, body: JSON.parse(text) as Message['body'], fingerprint: '' },
    ...{ originSequence: { epoch: originInstanceId, n: 0 }, clusterGroupId: SINGLETON_GROUP, path: [] },
    ...{ version: undefined, orderingKey: undefined, expiresAt: undefined, scheduledFor: undefined },
    ...{ targetedTags: [], targetInstanceId: request.targetInstanceId, priority: DEFAULT_PRIORITY },
    raw: () => undefined,
  })
}
