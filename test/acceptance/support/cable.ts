import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** What lies between two processes: carries bytes both ways until it is cut, and again when it is mended. */
export class Cable {
  readonly url: string
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #whole = true

  /** A cable to whoever listens on that port of this machine. */
  static async to(port: number): Promise<Cable> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new Cable(server, port)
  }

  private constructor(server: Server, port: number) {
    this.#server = server
    this.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`
    server.on('connection', (near) => {
      if (!this.#whole) return near.destroy()
      const far = connect(port, '127.0.0.1')
      for (const [from, to] of [[near, far] as const, [far, near] as const]) {
        this.#sockets.add(from)
        from.pipe(to)
        from.on('error', () => to.destroy())
        from.on('close', () => {
          this.#sockets.delete(from)
          to.destroy()
        })
      }
      return undefined
    })
  }

  cut(): void {
    this.#whole = false
    for (const socket of this.#sockets) socket.destroy()
  }

  mend(): void {
    this.#whole = true
  }

  async remove(): Promise<void> {
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
