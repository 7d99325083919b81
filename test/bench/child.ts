import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** Within a child: tells the parent where it listens, and its CPU time whenever it is asked. */
export function reportTo(address: string): void {
  process.send?.({ address })
  process.on('message', () => process.send?.({ cpu: process.cpuUsage(), memory: process.memoryUsage().rss }))
  process.on('disconnect', () => process.exit(0))
}

/** A node of the benchmark in a process of its own. */
export class Child {
  readonly address: string
  readonly #process: ChildProcess

  private constructor(process: ChildProcess, address: string) {
    this.#process = process
    this.address = address
  }

  static async start(script: string, args: readonly string[]): Promise<Child> {
    const child = fork(fileURLToPath(new URL(script, import.meta.url)), args, { execArgv: ['--import', 'tsx'] })
    const [{ address }] = (await once(child, 'message')) as [{ address: string }]
    return new Child(child, address)
  }

  /** CPU time used so far, in microseconds, and resident memory in bytes. */
  async usage(): Promise<{ readonly cpu: number; readonly memory: number }> {
    this.#process.send('usage')
    const [{ cpu, memory }] = (await once(this.#process, 'message')) as [{ cpu: NodeJS.CpuUsage; memory: number }]
    return { cpu: cpu.user + cpu.system, memory }
  }

  async stop(): Promise<void> {
    this.#process.disconnect()
    await once(this.#process, 'exit')
  }
}
