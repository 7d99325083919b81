import { uuidv7 } from 'uuidv7'
import { type Answer, connect } from '../client.ts'
import { Exit } from '../exit.ts'
import { writeFrame } from '../frame.ts'
import { paint, print, say } from '../output.ts'

export interface SendOptions {
  readonly key?: string
  /** JSON text. */
  readonly value?: string
  /** JSON text of an object. */
  readonly body?: string
  readonly tag?: readonly string[]
  readonly id?: string
  readonly url: string
  /** Milliseconds. */
  readonly timeout: number
  readonly json?: boolean
}

/** Publishes a message and waits for the durable ACK. A NACK ends it with exit code 1, or 75 when a repetition may help. */
export async function send(type: string, options: SendOptions): Promise<void> {
  const { id: messageId = uuidv7(), tag: targetedTags, key, value, body, url, timeout, json } = options
  const client = await connect({ url, connectTimeoutMs: timeout })
  try {
    const answer = await client.publish(
      messageId,
      writeFrame({ type, messageId, targetedTags, key, value, body }),
      timeout,
    )
    if (json) await print(JSON.stringify(answer))
    else await show(answer)
    if (answer.type === 'NACK') process.exitCode = answer.retryable ? Exit.TRY_AGAIN : Exit.FAILED
  } finally {
    await client.close()
  }
}

async function show(answer: Answer): Promise<void> {
  if (answer.type === 'ACK') {
    const { messageId, status, recipients } = answer
    await print(
      `${messageId}  ${paint('green', status)}  ${recipients} ${recipients === 1 ? 'recipient' : 'recipients'}`,
    )
  } else {
    const advice = answer.retryable ? ' Send it again later.' : ''
    say(`${paint('red', answer.code, process.stderr)} ${answer.reason}.${advice}`)
  }
}
