import type { IncomingMessage } from 'node:http'
import { WebSocket } from 'ws'
import { type Introduction, type Level, type PeerSettings, problemOf, SUBPROTOCOLS } from '../../../core/index.ts'
import { type Surroundings, WebSocketConnection } from './connection.ts'
import { readHeaders, writeQuery } from './handshake.ts'
import { FRAME_LIMITS, HANDSHAKE_TIMEOUT_MS, MAX_PAYLOAD } from './limits.ts'
import { levelOf } from './subprotocols.ts'
import { dialTls } from './tls.ts'

/** As much of an answer other than 101 is read. */
const MAX_ANSWER_BYTES = 4_096
/** As much of the other end's reason is repeated. */
const MAX_REASON_LENGTH = 200

/** One attempt to reach that peer: until the WebSocket is open, something fails, or a signal aborts it. */
export function open(
  peer: PeerSettings,
  self: Introduction,
  surroundings: Surroundings,
  signals: readonly AbortSignal[],
): Promise<WebSocketConnection> {
  const url = writeQuery(peer.url, self)
  const { protocols } = surroundings.options
  const socket = new WebSocket(url, [...protocols], optionsFor(peer, url.protocol === 'wss:', protocols))
  const attempt = opened(socket, surroundings)
  const release = abandonWhen(signals, surroundings, attempt.abandon)
  return attempt.connection.finally(release)
}

function optionsFor(peer: PeerSettings, isSecure: boolean, protocols: readonly string[]) {
  return {
    ...FRAME_LIMITS,
    // It must be said before it is known what the listener chooses.
    maxPayload: Math.max(...protocols.map((name) => MAX_PAYLOAD[levelOf(name)])),
    ...(isSecure && dialTls(peer)),
    ...(peer.token !== undefined && { headers: { Authorization: `Bearer ${peer.token}` } }),
  }
}

function opened(socket: WebSocket, surroundings: Surroundings) {
  let abandon: (why: unknown) => void = () => socket.terminate()
  const connection = new Promise<WebSocketConnection>((resolve, reject) => {
    abandon = (why) => {
      reject(why)
      socket.terminate()
    }
    socket.on('error', reject)
    socket.once('unexpected-response', (_request, response) => {
      problemOfAnswer(response).then((problem) => abandon(new Error(problem)), abandon)
    })
    socket.once('upgrade', (response) => {
      acceptNoSubprotocol(response, surroundings.options.protocols)
      socket.once('open', () => {
        try {
          const remote = readHeaders(response.headers)
          const introduced = { remote, level: levelSpoken(socket.protocol, remote) }
          resolve(new WebSocketConnection(socket, response.socket, introduced, surroundings))
        } catch (error) {
          abandon(error)
        }
      })
    })
  })
  return { connection, abandon }
}

/**
 * A listener may select no subprotocol (RFC 6455, §4.2.2), and the deployed ones do: it speaks the plain level. `ws` takes that
 * for an error. It looks at the answer only after this event.
 */
function acceptNoSubprotocol({ headers }: IncomingMessage, protocols: readonly string[]): void {
  if (protocols.includes(SUBPROTOCOLS.plain)) headers['sec-websocket-protocol'] ??= SUBPROTOCOLS.plain
}

/** Servers that know of no subprotocols may pick the first name unread: whoever speaks the linked level says who it is as well. */
function levelSpoken(subprotocol: string, { instanceId }: Introduction): Level {
  return instanceId === undefined ? 'plain' : levelOf(subprotocol)
}

/** Abandons when a signal says so, and at the deadline, which also holds for an answer that trickles in. */
function abandonWhen(
  signals: readonly AbortSignal[],
  { runtime }: Surroundings,
  abandon: (why: unknown) => void,
): () => void {
  const abort = (event: Event) => abandon((event.target as AbortSignal).reason)
  const late = () => abandon(new Error(`no WebSocket within ${HANDSHAKE_TIMEOUT_MS} ms`))
  const timer = runtime.after(HANDSHAKE_TIMEOUT_MS, late)
  for (const signal of signals) signal.addEventListener('abort', abort)
  return () => {
    timer.cancel()
    for (const signal of signals) signal.removeEventListener('abort', abort)
  }
}

/** HTTP status and, when the other end gave one in JSON, its reason. */
async function problemOfAnswer(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    bytes += chunk.length
    if (bytes <= MAX_ANSWER_BYTES) chunks.push(chunk)
  }
  const reason = reasonIn(Buffer.concat(chunks).toString())
  return `it answered HTTP ${response.statusCode}${reason && ` (${reason})`}`
}

function reasonIn(body: string): string {
  let answer: unknown
  try {
    answer = JSON.parse(body)
  } catch {
    return '' // a proxy answers in HTML; the status has to do
  }
  if (typeof answer !== 'object' || answer === null || !('reason' in answer)) return ''
  return String(answer.reason).replace(/\p{C}/gu, ' ').slice(0, MAX_REASON_LENGTH)
}

/** In one line. A host of several addresses fails with an `AggregateError` that says nothing but its code. */
export function problemOfDial(error: unknown): string {
  return problemOf(error instanceof AggregateError ? (error.errors[0] ?? error) : error)
}
