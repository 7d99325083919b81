import { performance } from 'node:perf_hooks'
import type { Level } from '../../core/index.ts'
import { speaker } from './speaker.ts'

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

export interface Load {
  readonly count: number
  /** Messages a second; as many as the window of unacknowledged messages allows if it is left out. */
  readonly rate?: number
  /** What the publisher and the consumer speak. Default plain. */
  readonly level?: Level
}

/** One publisher at `entry`, one named consumer at `exit`. */
export async function load(entry: string, exit: string, { count, rate, level = 'plain' }: Load): Promise<LoadReport> {
  const sentAt = new Map<string, number>()
  const latencies: number[] = []
  let arrived = () => {}
  const done = new Promise<void>((resolve) => {
    arrived = resolve
  })
  const consumer = await speaker(`${exit}?instanceId=consumer&tags=bench`, level, {
    acknowledged() {},
    message(messageId) {
      const sent = sentAt.get(messageId)
      if (sent === undefined || !sentAt.delete(messageId)) return
      latencies.push(performance.now() - sent)
      if (latencies.length === count) arrived()
    },
  })
  const began = performance.now()
  await publish(entry, { count, level, ...(rate && { rate }) }, (messageId) => sentAt.set(messageId, performance.now()))
  await done
  const seconds = (performance.now() - began) / 1_000
  consumer.close()
  latencies.sort((one, other) => one - other)
  const at = (share: number) => latencies[Math.floor((latencies.length - 1) * share)] as number
  return { messagesPerSecond: count / seconds, p50: at(0.5), p99: at(0.99) }
}

/** Resolves when all are acknowledged. */
async function publish(
  entry: string,
  { count, rate, level = 'plain' }: Load,
  sent: (id: string) => void,
): Promise<void> {
  const run = Math.random().toString(36).slice(2, 8)
  let next = 0
  let acknowledged = 0
  let isDone = () => {}
  const done = new Promise<void>((resolve) => {
    isDone = resolve
  })
  const publisher = await speaker(`${entry}?instanceId=publisher`, level, {
    acknowledged() {
      if (++acknowledged === count) isDone()
      if (rate === undefined) fill()
    },
    message() {},
  })
  const began = performance.now()
  const allowed = () => (rate === undefined ? count : ((performance.now() - began) / 1_000) * rate)
  const fill = () => {
    while (next < count && next - acknowledged < WINDOW && next < allowed()) {
      const messageId = `${run}-${String(next++).padStart(8, '0')}`
      sent(messageId)
      const value = `{"n":${next},"f":"${FILLER}"}`
      publisher.publish(
        messageId,
        `{"type":"SK","key":"order:${next % 1_000}","value":${value},"messageId":"${messageId}"}`,
      )
    }
  }
  const ticker = setInterval(fill, 2)
  fill()
  await done
  clearInterval(ticker)
  publisher.close()
}
