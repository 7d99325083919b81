import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import { portableRuntime } from '../runtime/portable.ts'

/** All frames of one turn leave in one system call: that is most of what sending costs. */
export class NodeSocket extends WebSocket {
  #stream: Socket | undefined
  #isCorked = false

  constructor(url: string, protocols: string[], token: string | undefined) {
    super(url, protocols, {
      perMessageDeflate: false,
      ...(token !== undefined && { headers: { Authorization: `Bearer ${token}` } }),
    })
    this.once('upgrade', ({ socket }) => {
      this.#stream = socket
    })
  }

  override send(frame: string): void {
    this.#cork()
    super.send(frame)
  }

  #cork(): void {
    if (this.#isCorked || !this.#stream) return
    this.#isCorked = true
    this.#stream.cork()
    portableRuntime.defer(() => {
      this.#isCorked = false
      this.#stream?.uncork()
    })
  }
}
