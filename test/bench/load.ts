import { performance } from 'node:perf_hooks'
import WebSocket from 'ws'

/** What one run of load over one or two hops came to. */
export interface LoadReport {
  readonly messagesPerSecond: number
  /** From the publish to the arrival at the consumer, in milliseconds. */
  readonly p50: number
  readonly p99: number
}

const WINDOW = 1_024
/** About 400 bytes, the size of a payment's state message. */
const FILLER = 'x'.repeat(250)

/**
 * One publisher at `entry`, one named consumer at `exit`; both speak plain frames. As fast as the window of unacknowledged
 * messages allows, or at `rate` messages a second.
 */
export async function load(entry: string, exit: string, count: number, rate?: number): Promise<LoadReport> {
  const consumer = await open(`${exit}?instanceId=consumer&tags=bench`)
  const publisher = await open(`${entry}?instanceId=publisher`)
  const sentAt = new Map<string, number>()
  const latencies: number[] = []
  const done = new Promise<void>((resolve) => {
    consumer.on('message', (data) => {
      const { messageId, type } = JSON.parse(String(data)) as { messageId: string; type: string }
      if (type === 'ACK') return
      consumer.send(`{"type":"ACK","messageId":"${messageId}"}`)
      const sent = sentAt.get(messageId)
      if (sent === undefined || !sentAt.delete(messageId)) return
      latencies.push(performance.now() - sent)
      if (latencies.length === count) resolve()
    })
  })
  const began = performance.now()
  await publish(publisher, count, rate, (messageId) => sentAt.set(messageId, performance.now()))
  await done
  const seconds = (performance.now() - began) / 1_000
  consumer.close()
  publisher.close()
  latencies.sort((one, other) => one - other)
  const at = (share: number) => latencies[Math.floor((latencies.length - 1) * share)] as number
  return { messagesPerSecond: count / seconds, p50: at(0.5), p99: at(0.99) }
}

function publish(
  socket: WebSocket,
  count: number,
  rate: number | undefined,
  sent: (id: string) => void,
): Promise<void> {
  const run = Math.random().toString(36).slice(2, 8)
  return new Promise((resolve) => {
    let next = 0
    let acknowledged = 0
    const began = performance.now()
    const allowed = () => (rate === undefined ? count : ((performance.now() - began) / 1_000) * rate)
    const fill = () => {
      while (next < count && next - acknowledged < WINDOW && next < allowed()) {
        const messageId = `${run}-${String(next++).padStart(8, '0')}`
        sent(messageId)
        socket.send(
          `{"type":"SK","key":"order:${next % 1_000}","value":{"n":${next},"f":"${FILLER}"},"messageId":"${messageId}"}`,
        )
      }
    }
    const ticker = setInterval(fill, 2)
    socket.on('message', () => {
      if (++acknowledged === count) {
        clearInterval(ticker)
        resolve()
      }
      if (rate === undefined) fill()
    })
    fill()
  })
}

function open(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url, { perMessageDeflate: false })
  return new Promise((resolve, reject) => {
    socket.once('open', () => resolve(socket))
    socket.once('error', reject)
  })
}
