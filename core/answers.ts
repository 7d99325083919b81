import { problemOf, SlipstreamError } from './errors.ts'
import type { Acknowledgement, Arrival, Receipt, Refusal } from './events.ts'
import type { Hooks } from './hooks.ts'
import type { Link } from './links.ts'
import type { Log } from './log.ts'
import { type Message, SINGLETON_GROUP } from './message.ts'
import type { Hop } from './protocol/codec.ts'
import { type NackCode, ProtocolFault } from './protocol/fault.ts'
import { isId } from './protocol/fields.ts'
import type { Received } from './protocol/received.ts'
import type { StoreVerdict } from './store.ts'

/** Codes that say: the same again, later, may succeed. */
const RETRYABLE: ReadonlySet<NackCode> = new Set([
  'BUSY',
  'STORE_UNAVAILABLE',
  'CLOCK_SKEW',
  'TIMEOUT',
  'NO_RESPONDERS',
  'INTERNAL',
])

/** Something that came in and could not be read. */
export interface Unread {
  readonly sender: Link
  readonly hop?: Hop | undefined
}

/** Answers a frame that goes no further: with the receipt that a tap gave it, or for the fault that stopped it. */
export function answerTo(received: Received | Unread, outcome: Receipt | unknown, hooks: Hooks): void {
  if (isDuplicate(outcome) && 'body' in received) {
    const { sender, hop, type, arrivedAt } = received
    const messageId = received.string('messageId') as string
    const { recipients, clusterGroupId = received.string('clusterGroupId') } = outcome
    const message = undefined
    const again: Acknowledgement = {
      sender,
      number: hop?.number,
      messageId,
      clusterGroupId,
      type,
      status: 'duplicate',
      recipients,
      message,
      arrivedAt,
    }
    void hooks.ack.promise([again])
  } else {
    hooks.refused.call(refusal(received, outcome))
  }
}

/**
 * What the store's verdicts mean to the senders. A duplicate is acknowledged again, or its sender would repeat it for ever;
 * of an uncertain one nothing may be said, neither that it is stored nor that it is not: its sender will repeat it.
 */
export function judge(
  arrivals: readonly Arrival[],
  verdicts: readonly StoreVerdict[],
  hooks: Hooks,
): readonly Acknowledgement[] {
  const acknowledgements: Acknowledgement[] = []
  arrivals.forEach(({ received, message, route }, index) => {
    if (!received) return
    const verdict = verdicts[index] as StoreVerdict
    if (verdict.status === 'stored' || verdict.status === 'scheduled') {
      acknowledgements.push(acknowledge(received, message, 'stored', route.recipients.length))
    } else if (verdict.status === 'duplicate' || verdict.status === 'lifted') {
      acknowledgements.push(acknowledge(received, message, 'duplicate', verdict.recipients))
    } else if (verdict.status === 'conflict') {
      hooks.refused.call(refusal(received, new ProtocolFault('CONFLICT', CONFLICT)))
    } else if (verdict.status === 'rejected') {
      const reason = 'the store cannot take this message; its instance has logged why'
      hooks.refused.call({ ...refusal(received, undefined), reason, retryable: false, detail: verdict.reason })
    }
  })
  return acknowledgements
}

const CONFLICT =
  'this messageId was used for another body or by another publisher not long ago, or is scheduled for one; ' +
  'publish with an id of its own'

function acknowledge(
  received: Received,
  message: Message,
  status: 'stored' | 'duplicate',
  recipients: number,
): Acknowledgement {
  return {
    sender: received.sender,
    number: received.hop?.number,
    messageId: message.messageId,
    clusterGroupId: message.clusterGroupId === SINGLETON_GROUP ? undefined : message.clusterGroupId,
    type: message.type,
    status,
    recipients,
    message: status === 'stored' ? message : undefined,
    arrivedAt: received.arrivedAt,
  }
}

/**
 * Answers for a fault. What is no fault of the sender's, the log has, by plugin and hook. On the wire a plugin's fault says
 * nothing about itself: it may quote the message.
 */
export function answerFault(
  received: Received | Unread,
  error: unknown,
  { hooks, log }: { hooks: Hooks; log: Log },
): void {
  if (!(error instanceof ProtocolFault)) {
    const { plugin = 'kernel', hook = 'unknown' } = error instanceof SlipstreamError ? error : {}
    const type = 'type' in received ? received.type : 'unknown'
    log.error('plugin failed', { plugin, hook, type, reason: problemOf(error), error })
  }
  answerTo(received, error, hooks)
}

function refusal(received: Received | Unread, outcome: unknown): Refusal {
  const { code, reason, retryAfterMs } = isRefusal(outcome) ? outcome : faultOf(outcome)
  const retryable = isRefusal(outcome) && outcome.retryable !== undefined ? outcome.retryable : RETRYABLE.has(code)
  const { sender, hop } = received
  const common = { sender, number: hop?.number, code, reason, retryable, retryAfterMs }
  if (!('body' in received)) return { ...common, messageId: undefined, type: undefined }
  const messageId = received.string('messageId')
  return { ...common, messageId: isId(messageId) ? messageId : undefined, type: received.type }
}

function faultOf(error: unknown): Pick<Refusal, 'code' | 'reason' | 'retryAfterMs'> {
  if (error instanceof ProtocolFault) {
    const { code, message: reason, retryAfterMs } = error
    return { code, reason, retryAfterMs }
  }
  return { code: 'INTERNAL', reason: 'a plugin failed on this message; its instance has logged which' }
}

function isDuplicate(outcome: unknown): outcome is Extract<Receipt, { status: 'duplicate' }> {
  return (outcome as Receipt | undefined)?.status === 'duplicate'
}

function isRefusal(outcome: unknown): outcome is Extract<Receipt, { status: 'refused' }> {
  return (outcome as Receipt | undefined)?.status === 'refused'
}
