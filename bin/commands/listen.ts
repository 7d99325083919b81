import { uuidv7 } from 'uuidv7'
import { SlipstreamError, slipstreamError } from '../../core/errors.ts'
import { BUS_FIELDS } from '../../core/protocol/fields.ts'
import { withoutMembers } from '../../core/protocol/text.ts'
import { type Client, type Closed, connect } from '../client.ts'
import type { Frame } from '../frame.ts'
import { paint, print, say } from '../output.ts'
import { untilSignal } from '../signals.ts'

export interface ListenOptions {
  readonly type?: readonly string[]
  /** Prefix. */
  readonly key?: string
  readonly tag?: readonly string[]
  readonly name?: string
  readonly url: string
  readonly count?: number
  readonly json?: boolean
}

/** How long the instance has to take note of what is wanted, in milliseconds. */
const ANSWER_MS = 10_000

/** Members that stand in columns of their own, or say nothing to a reader. */
const NOT_BODY: ReadonlySet<string> = new Set([...BUS_FIELDS, 'type', 'key', 'targetedTags'])

/**
 * Shows messages until a signal, the count, or the end of the connection. With a name each is acknowledged after it was
 * printed, so that none is lost when the reader goes away.
 */
export async function listen(options: ListenOptions): Promise<void> {
  const { url, name, tag: tags, json, count = Number.POSITIVE_INFINITY } = options
  const signalled = untilSignal('SIGINT', 'SIGTERM')
  let printed = 0
  let ending = false
  const end = (client: Client) => {
    ending = true
    void client.close()
  }
  const onMessage = async (message: Frame, client: Client) => {
    if (ending) return
    if (wanted(message, options)) {
      await print(json ? oneLine(message.text) : lineOf(message))
      printed++
    }
    if (name !== undefined && message.messageId !== undefined) client.acknowledge(message.messageId)
    if (printed >= count) end(client)
  }
  const client = await connect({ url, name, tags, onMessage })
  void signalled.then(() => end(client))
  await narrow(client, options)
  say(`Listening at ${url}${name === undefined ? '' : ` as ${name}`}. ^C ends it.`)
  const closed = await client.closed
  if (!ending) throw slipstreamError('SLP_UNREACHABLE', [url, `it closed the connection (${wordsOf(closed)})`])
}

/**
 * Has the instance send no more than what is to be shown. Whoever has a name may be narrowed from before, and says so when that
 * is over. An instance that does not know `SUBSCRIBE` sends everything, as it would have done.
 */
async function narrow(client: Client, { type: types = [], key, name }: ListenOptions): Promise<void> {
  const keys = key ? [key] : []
  if (types.length + keys.length === 0 && name === undefined) return
  const messageId = uuidv7()
  const frame = JSON.stringify({ type: 'SUBSCRIBE', messageId, types, keys })
  const answer = await client.publish(messageId, frame, ANSWER_MS).catch(unanswered)
  if (!answer || answer.type === 'ACK' || answer.code === 'UNKNOWN_TYPE') return
  await client.close()
  throw slipstreamError('SLP_SUBSCRIPTION_REFUSED', [answer.code, answer.reason])
}

/**
 * Without an answer everything comes, and is left out here. What waits for a name may also be all that was asked for: then the end
 * comes before the answer.
 */
function unanswered(error: unknown): undefined {
  if (!(error instanceof SlipstreamError) || error.code !== 'SLP_UNACKNOWLEDGED') throw error
}

/** What was on its way before the instance was told is left out here. */
function wanted({ type, body }: Frame, { type: types, key: prefix }: ListenOptions): boolean {
  if (types && !types.includes(type)) return false
  return prefix === undefined || (typeof body.key === 'string' && body.key.startsWith(prefix))
}

/** Type, key, value and tags, as JSON has them: unlike what they stand for, that cannot steer a terminal. */
function lineOf(message: Frame): string {
  const { type, text, members, body } = message
  const key = message.raw('key') ?? ''
  const value = message.raw('value') ?? withoutMembers(text, members, NOT_BODY)
  const tags = message.raw('targetedTags') ?? ''
  const cells = [
    paint('cyan', type),
    paint('bold', tame(typeof body.key === 'string' ? key.slice(1, -1) : key)),
    tame(value),
    paint('gray', tame(tags)),
  ]
  return oneLine(cells.filter((cell) => cell !== '').join('  '))
}

/** Between the members of a JSON text a line may end. */
function oneLine(text: string): string {
  return text.replaceAll(/[\r\n]+/g, ' ')
}

/** JSON leaves the control characters of C1 as they are, and a terminal obeys them. */
function tame(text: string): string {
  return text.replaceAll(/[\u007f-\u009f]/g, (control) => `\\u00${control.charCodeAt(0).toString(16)}`)
}

function wordsOf({ code, reason }: Closed): string {
  return reason === '' ? `code ${code}` : `${code} ${reason}`
}
