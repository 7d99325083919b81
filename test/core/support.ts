import type { Connection, Introduction, Lane, Log, LogFields, LogLevel, Message } from '../../core/index.ts'
import { Link } from '../../core/links.ts'
import type { Codec } from '../../core/protocol/codec.ts'
import { DEFAULT_PRIORITY } from '../../core/protocol/fields.ts'
import { entryLimits, linkLimits } from '../../core/protocol/limits.ts'
import { PlainCodec } from '../../core/protocol/plain.ts'
import { Received } from '../../core/protocol/received.ts'
import type { Attempts, PendingDelivery, StoredMessage } from '../../core/store.ts'
import { introduction, memoryPair } from '../support/memory-pair.ts'

/** A link to somebody who says that of itself, and its two ends. */
export function linkTo(
  remote: Partial<Introduction> = {},
  overrides: (near: Connection) => Partial<Codec> = () => ({}),
) {
  const says = introduction(remote)
  const [near, far] = memoryPair(introduction({ instanceId: 'here', role: 'instance' }), says)
  const send = (frame: string, lane: Lane) => near.send(frame, lane)
  const plain = new PlainCodec({ instanceId: 'here', send, byteLength: (text) => Buffer.byteLength(text) })
  const codec = Object.assign(plain, overrides(near))
  return {
    link: new Link({ id: 'link-1', direction: 'in', connection: near, peer: says.instanceId, now: 0, codec }),
    ...{ near, far },
  }
}

/** What it is to acknowledge goes out as its id, that long, so that tests can tell at a glance. */
export const sendingIds =
  (bytes = 0) =>
  (near: Connection): Partial<Codec> => ({
    deliver({ messageId }) {
      near.send(messageId.padEnd(bytes))
      return Math.max(bytes, messageId.length)
    },
  })

export const client = (name?: string) => linkTo({ instanceId: name }).link
export const instance = (name: string) => linkTo({ instanceId: name, role: 'instance' }).link

export function receivedFrom(sender: Link, message: object | string): Received {
  const text = typeof message === 'string' ? message : JSON.stringify(message)
  const limits = sender.role === 'client' ? entryLimits : linkLimits
  return Received.read(sender, { text, bytes: Buffer.byteLength(text), hop: undefined }, limits, 0)
}

/** What is thrown, or rejected with, as the kind of error that it must be. */
export async function failureOf<Kind extends Error>(
  kind: abstract new (...parts: never[]) => Kind,
  run: () => unknown,
): Promise<Kind> {
  try {
    await run()
  } catch (error) {
    if (error instanceof kind) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

export const NO_ATTEMPTS: Attempts = { sends: 0, nacks: 0, timeouts: 0, disconnects: 0 }

export const delivery = (
  seq: number,
  message: Partial<StoredMessage> = {},
  { attempts = NO_ATTEMPTS, dueAt = 0, lane = DEFAULT_PRIORITY }: Partial<PendingDelivery> = {},
): PendingDelivery => ({
  seq,
  lane,
  attempts,
  dueAt,
  message: {
    seq,
    type: 'SK',
    messageId: `m-${seq}`,
    clusterGroupId: 'singleton',
    text: `{"type":"SK","messageId":"m-${seq}"}`,
    path: [],
    orderingKey: undefined,
    version: undefined,
    expiresAt: undefined,
    receivedAt: 0,
    ...message,
  },
})

/** A message that was let in by `a`, bare enough for what only looks at its envelope. */
export const message = (given: Partial<Message> = {}): Message => ({
  type: 'SK',
  messageId: 'm-1',
  originInstanceId: 'a',
  originSequence: { epoch: 'e', n: 1 },
  clusterGroupId: 'singleton',
  version: undefined,
  orderingKey: undefined,
  targetedTags: [],
  targetInstanceId: undefined,
  expiresAt: undefined,
  scheduledFor: undefined,
  priority: DEFAULT_PRIORITY,
  path: [],
  text: '{}',
  fingerprint: '',
  body: {},
  raw: () => undefined,
  ...given,
})

/** Keeps what is logged. */
export class RecordingLog implements Log {
  readonly records: { readonly level: LogLevel; readonly event: string; readonly fields: LogFields }[] = []
  message = (event: string, fields: LogFields = {}) => this.#keep('message', event, fields)
  debug = (event: string, fields: LogFields = {}) => this.#keep('debug', event, fields)
  error = (event: string, fields: LogFields = {}) => this.#keep('error', event, fields)
  critical = (event: string, fields: LogFields = {}) => this.#keep('critical', event, fields)
  enabled = () => true

  #keep(level: LogLevel, event: string, fields: LogFields): void {
    this.records.push({ level, event, fields })
  }
}
