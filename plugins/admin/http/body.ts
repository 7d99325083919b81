import type { IncomingMessage } from 'node:http'
import { HttpProblem } from './problem.ts'

const MAX_BODY_BYTES = 64 * 1024

/** The JSON that a request carries, or undefined. Throws the problem 413 or 400. */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const text = await readText(request)
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch {
    // The engine's own message quotes the body.
    throw new HttpProblem(400, 'INVALID_JSON', 'the body is not valid JSON')
  }
}

/** Reads to the end even what is too large, and keeps none of it: who is still sending would not see an answer. */
async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk)
    else chunks.length = 0
  }
  if (bytes > MAX_BODY_BYTES) throw new HttpProblem(413, 'TOO_LARGE', `the body is larger than ${MAX_BODY_BYTES} bytes`)
  return Buffer.concat(chunks).toString('utf8')
}
