import WebSocket from 'ws'
import type { Level } from '../../core/index.ts'
import type { Codec, FrameEvents, Hop } from '../../core/protocol/codec.ts'
import { SUBPROTOCOLS } from '../../core/protocol/limits.ts'
import { LinkedCodec } from '../../core/protocol/linked.ts'

/** What a publisher or a consumer of the benchmark hears. */
export interface Ears {
  acknowledged(messageId: string): void
  message(messageId: string): void
}

/** A publisher or consumer that does no more than it must, on either level. */
export interface Speaker {
  publish(messageId: string, text: string): void
  /** Acknowledges what it hears. */
  close(): void
}

/** Opens a connection on that level. */
export async function speaker(url: string, level: Level, ears: Ears): Promise<Speaker> {
  const socket = new WebSocket(url, [SUBPROTOCOLS[level]], { perMessageDeflate: false })
  if (level === 'plain') speakPlainly(socket, ears)
  const codec = level === 'linked' ? linkedCodec(socket, ears) : undefined
  await new Promise((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })
  return {
    publish(messageId, text) {
      if (codec) codec.deliver({ messageId, path: [], text })
      else socket.send(text)
    },
    close: () => socket.close(),
  }
}

function speakPlainly(socket: WebSocket, ears: Ears): void {
  socket.on('message', (data) => {
    const { messageId, type } = JSON.parse(String(data)) as { messageId: string; type: string }
    if (type === 'ACK') {
      ears.acknowledged(messageId)
    } else if (type === 'SK') {
      socket.send(`{"type":"ACK","messageId":"${messageId}"}`)
      ears.message(messageId)
    }
  })
}

function linkedCodec(socket: WebSocket, ears: Ears): Codec {
  const codec = new LinkedCodec({
    name: undefined,
    tellsMore: false,
    send: (frame) => socket.send(frame),
    defer: (task) => void setImmediate(task),
    byteLength: (text) => Buffer.byteLength(text),
  })
  const nothing = () => {}
  const events: FrameEvents = {
    message(text: string, _bytes: number, hop: Hop | undefined) {
      const { messageId } = JSON.parse(text) as { messageId: string }
      codec.acknowledge({ messageId, number: hop?.number, clusterGroupId: undefined, status: 'stored', recipients: 0 })
      ears.message(messageId)
    },
    acknowledged: (messageId) => ears.acknowledged(messageId),
    ...{ refused: nothing, hello: nothing, pulse: nothing, granted: nothing, fault: nothing },
  }
  socket.on('message', (data) => codec.read(String(data), (data as Buffer).length, events))
  return codec
}
