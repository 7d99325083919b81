import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Application } from './application.ts'
import { Ledger } from './ledger.ts'
import { freePorts, Region } from './region.ts'

export const NAMES = ['aws', 'azure', 'gcp'] as const

const START_TIMEOUT_MS = 60_000
const POLL_MS = 50

/** Three regions in a ring, each with its application, in a temporary folder. */
export class DemoMesh {
  readonly ledger = new Ledger(NAMES)
  readonly regions: readonly Region[]
  readonly applications: readonly Application[]
  readonly #folder: string

  static async create(): Promise<DemoMesh> {
    const folder = mkdtempSync(join(tmpdir(), 'slipstream-demo-'))
    return new DemoMesh(folder, await freePorts(NAMES.length * 2))
  }

  private constructor(folder: string, ports: readonly number[]) {
    this.#folder = folder
    this.regions = NAMES.map((name, index) => new Region(placeOf(name, index, folder, ports)))
    this.applications = this.regions.map(({ name, url }) => {
      return new Application(
        name,
        url,
        NAMES.filter((other) => other !== name),
        this.ledger,
      )
    })
  }

  /** Resolves when all regions run, are linked, and have their application. Rejects with the last words of one that ended. */
  async start(signal: AbortSignal): Promise<void> {
    for (const region of this.regions) region.start()
    const deadline = performance.now() + START_TIMEOUT_MS
    while (!this.#complete) {
      for (const { running, name, lastWords } of this.regions) {
        if (!running) throw new Error(`${name} ended before it was up:\n${lastWords}`)
      }
      if (performance.now() > deadline) throw new Error('the regions did not find each other in time')
      await delay(POLL_MS, undefined, { signal })
      await this.refresh()
    }
  }

  /** Runs the applications. Never resolves while the mesh is wanted; rejects with what no repetition mends. */
  async serve(): Promise<never> {
    await Promise.all(this.applications.map((application) => application.run()))
    return new Promise(() => {})
  }

  /** Looks at all links anew. */
  async refresh(): Promise<void> {
    await Promise.all(this.regions.map((region) => region.refresh()))
  }

  linked(one: number, other: number): boolean {
    const [first, second] = [this.regions[one], this.regions[other]]
    if (!first?.running || !second?.running) return false
    return first.linkedTo(second.name) || second.linkedTo(first.name)
  }

  /** In order: applications first, so that nobody asks for what is going away. */
  async stop(): Promise<void> {
    await Promise.all(this.applications.map((application) => application.stop()))
    await Promise.all(this.regions.map((region) => region.stop()))
  }

  /** Whatever is left of it, at once. */
  remove(): void {
    for (const region of this.regions) region.killNow()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  get #complete(): boolean {
    const connected = this.applications.every((application) => application.connected)
    return connected && this.regions.every((_, index) => this.linked(index, (index + 1) % this.regions.length))
  }
}

/** Each dials the next. Behind that link, the ring being closed, are both of the others. */
function placeOf(name: string, index: number, folder: string, ports: readonly number[]) {
  const count = NAMES.length
  const neighbours = [
    { url: `ws://127.0.0.1:${ports[(index + 1) % count]}`, tags: NAMES.filter((other) => other !== name) },
  ]
  const [port, adminPort] = [ports[index], ports[index + count]] as [number, number]
  return { name, folder: join(folder, name), port, adminPort, neighbours }
}
