/**
 * An application that publishes and handles what comes back to it under another name: with the client library, or with a loop
 * over `ws` that speaks the same frames and does nothing else. In a process of its own.
 *
 * Arguments: `client`, `plain` (the same, held to the plain level) or `raw`, and the URL of the instance. Told a count, it sends so many and answers what that took.
 */
import { once } from 'node:events'
import { connect } from 'slipstream/client'
import WebSocket from 'ws'

const [kind, url] = process.argv.slice(2) as ['client' | 'plain' | 'raw', string]

const WINDOW = 1_024
/** About 400 bytes, the size of a payment's state message. */
const FILLER = 'x'.repeat(250)
const KEYS = 1_000
const names = { publisher: `publisher-${kind}`, consumer: `consumer-${kind}` }
/** Of its own, or it would handle what the other one publishes. */
const TAG = `bench-${kind}`

interface Application {
  /** Publishes one message; calls back when it is acknowledged. */
  publish(key: string, value: object, acknowledged: () => void): void
}

/** Opens both ends; `handled` is called for each message that the consumer has handled. */
type Open = (handled: () => void) => Promise<Application>

/** Offers the plain level alone. */
class PlainSocket extends WebSocket {
  constructor(at: string) {
    super(at, ['slipstream.v1'], { perMessageDeflate: false })
  }
}

const openClient: Open = async (handled) => {
  const options = kind === 'plain' ? { WebSocket: PlainSocket } : {}
  const publisher = connect(url, { ...options, name: names.publisher })
  const consumer = connect(url, { ...options, name: names.consumer, tags: [TAG] })
  await consumer.subscribe({ types: ['SK'] }, handled).ready
  await publisher.set('warm', 1, { tags: ['nobody'] })
  return {
    publish(key, value, acknowledged) {
      void publisher.set(key, value, { tags: [TAG] }).then(acknowledged)
    },
  }
}

const openRaw: Open = async (handled) => {
  const [publisher, consumer] = await Promise.all([
    open(`${url}?instanceId=${names.publisher}`),
    open(`${url}?instanceId=${names.consumer}&tags=${TAG}`),
  ])
  // Frames are read once it is known who sends them: then messages are for the consumer, too.
  consumer.send('{"type":"GK","key":"k","consistency":"local"}')
  await once(consumer, 'message')
  const waiting = new Map<string, () => void>()
  consumer.on('message', (data) => {
    const { type, messageId } = JSON.parse(String(data)) as { type: string; messageId: string }
    if (type !== 'SK') return
    handled()
    consumer.send(`{"type":"ACK","messageId":"${messageId}"}`)
  })
  publisher.on('message', (data) => {
    const { messageId } = JSON.parse(String(data)) as { messageId: string }
    waiting.get(messageId)?.()
    waiting.delete(messageId)
  })
  const run = Math.random().toString(36).slice(2, 10)
  let n = 0
  return {
    publish(key, value, acknowledged) {
      const messageId = `${run}-0000-7000-8000-${String(++n).padStart(12, '0')}`
      const version = `${Date.now()}-${String(n % 100_000).padStart(5, '0')}-${names.publisher}`
      waiting.set(messageId, acknowledged)
      publisher.send(
        `{"type":"SK","messageId":"${messageId}","targetedTags":["${TAG}"],"key":"${key}","value":${JSON.stringify(value)},"version":"${version}"}`,
      )
    },
  }
}

let handled = 0
let done: () => void = () => {}
let expected = Number.POSITIVE_INFINITY
const application = await (kind === 'raw' ? openRaw : openClient)(() => {
  if (++handled === expected) done()
})

async function run(count: number): Promise<object> {
  handled = 0
  expected = count
  const everythingHandled = new Promise<void>((resolve) => {
    done = resolve
  })
  const cpu = process.cpuUsage()
  const began = performance.now()
  await publishAll(count)
  await everythingHandled
  const seconds = (performance.now() - began) / 1_000
  const { user, system } = process.cpuUsage(cpu)
  return { messagesPerSecond: count / seconds, cpu: (user + system) / count }
}

function publishAll(count: number): Promise<void> {
  return new Promise((resolve) => {
    let sent = 0
    let acknowledged = 0
    const fill = () => {
      while (sent < count && sent - acknowledged < WINDOW) {
        application.publish(`order:${sent % KEYS}`, { n: sent++, f: FILLER }, answered)
      }
    }
    const answered = () => {
      if (++acknowledged === count) resolve()
      else fill()
    }
    fill()
  })
}

function open(at: string): Promise<WebSocket> {
  const socket = new WebSocket(at, ['slipstream.v1'], { perMessageDeflate: false })
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket))
    socket.once('error', reject)
  })
}

process.on('message', (count: number) => void run(count).then((result) => process.send?.(result)))
process.on('disconnect', () => process.exit(0))
process.send?.('ready')
