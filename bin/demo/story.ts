import { setTimeout as delay } from 'node:timers/promises'
import type { Application } from './application.ts'
import type { Verdict } from './ledger.ts'
import type { DemoMesh } from './mesh.ts'
import type { Region } from './region.ts'
import { Traffic } from './traffic.ts'
import type { DemoEvent, RegionView, Snapshot, State } from './view.ts'

/** When the last region is killed and when it is started again, as shares of the time. */
const KILL_AT = 0.35
const RESTART_AT = 0.6
/** How long the end may take after the traffic has stopped, and catching up before that. */
const PATIENCE_MS = 60_000
const POLL_MS = 20
/** Of what waits, every so many looks; as many fit beside the figures. */
const LOOKS_PER_SAMPLE = 4
const HISTORY = 18

export interface Report extends Verdict {
  /** Whether each acknowledged message arrived exactly once where it should, and nowhere else. */
  readonly passed: boolean
  readonly killed: string
  /** The most that waited for the region that was killed. */
  readonly waited: number
  /** From its start to the moment when nothing waited for it any more. */
  readonly caughtUpInSeconds: number
  readonly regions: readonly Omit<RegionView, 'history' | 'state'>[]
}

/** Calm, a crash, a return, and the count. */
export class Story {
  readonly #mesh: DemoMesh
  readonly #seconds: number
  readonly #states = new Map<string, State>()
  readonly #histories = new Map<string, number[]>()
  readonly #events: DemoEvent[] = []
  #beganAt: number | undefined
  #waited = 0
  #looks = 0

  constructor(mesh: DemoMesh, seconds: number) {
    this.#mesh = mesh
    this.#seconds = seconds
  }

  /** Rejects with an `AbortError` when the signal says so. */
  async play(signal: AbortSignal): Promise<Report> {
    const { applications, regions } = this.#mesh
    const [region, application] = [regions.at(-1) as Region, applications.at(-1) as Application]
    const traffic = new Traffic(applications)
    try {
      await this.#begin(traffic, signal)
      await this.#until(KILL_AT, signal)
      await this.#crash(region)
      await this.#until(RESTART_AT, signal)
      const caughtUpInSeconds = await this.#comeBack(region, application, signal)
      await this.#until(1, signal)
      traffic.stop()
      await this.#waitFor(() => this.#mesh.ledger.settled, signal)
      return this.#report(region, caughtUpInSeconds)
    } finally {
      traffic.stop()
    }
  }

  /** Looks at the links and at what waits: the picture moves on. */
  async observe(): Promise<void> {
    await this.#mesh.refresh()
    if (this.#looks++ % LOOKS_PER_SAMPLE > 0) return
    for (const { name } of this.#mesh.regions) {
      const history = this.#histories.get(name) ?? []
      history.push(this.#mesh.ledger.counts(name).waiting)
      this.#histories.set(name, history.slice(-HISTORY))
    }
  }

  snapshot(): Snapshot {
    const mesh = this.#mesh
    const links = [0, 1, 2].map((index) => mesh.linked(index, (index + 1) % 3))
    return {
      elapsed: this.#elapsed,
      seconds: this.#seconds,
      regions: mesh.applications.map((application) => this.#view(application)) as unknown as Snapshot['regions'],
      links: links as unknown as Snapshot['links'],
      events: this.#events,
    }
  }

  async #begin(traffic: Traffic, signal: AbortSignal): Promise<void> {
    await this.#mesh.start(signal)
    this.#beganAt = performance.now()
    for (const { name } of this.#mesh.regions) this.#states.set(name, 'up')
    this.#tell('Three regions are up and linked; their applications publish.')
    traffic.start()
  }

  async #crash(region: Region): Promise<void> {
    this.#states.set(region.name, 'killed')
    await region.kill()
    this.#tell(`${region.name} is killed (SIGKILL); the others keep what is for it.`)
  }

  async #comeBack(region: Region, application: Application, signal: AbortSignal): Promise<number> {
    const { ledger } = this.#mesh
    const began = performance.now()
    application.catchingUp = true
    this.#states.set(region.name, 'catching up')
    this.#tell(
      `${region.name} is started again on its file; ${ledger.counts(region.name).waiting} messages wait for it.`,
    )
    region.start()
    const caughtUp = () => {
      const { waiting } = ledger.counts(region.name)
      this.#waited = Math.max(this.#waited, waiting)
      return application.connected && waiting === 0
    }
    await this.#waitFor(caughtUp, signal)
    const seconds = (performance.now() - began) / 1_000
    application.catchingUp = false
    this.#states.set(region.name, 'up')
    this.#tell(`${region.name} has caught up after ${seconds.toFixed(1)} s.`)
    return seconds
  }

  #report({ name }: Region, caughtUpInSeconds: number): Report {
    const verdict = this.#mesh.ledger.verdict()
    const { missing, twice, astray, unanswered } = verdict
    const regions = this.#mesh.applications.map((application) => {
      const { history, state, ...figures } = this.#view(application)
      return figures
    })
    const passed = missing + twice + astray + unanswered === 0
    return { passed, ...verdict, killed: name, waited: this.#waited, caughtUpInSeconds, regions }
  }

  #view(application: Application): RegionView {
    const { region: name } = application
    return {
      name,
      state: this.#states.get(name) ?? 'starting',
      ...this.#mesh.ledger.counts(name),
      p50: application.latency(0.5),
      p99: application.latency(0.99),
      history: this.#histories.get(name) ?? [],
    }
  }

  #tell(text: string): void {
    this.#events.push({ seconds: this.#elapsed, text })
  }

  /** Seconds since all regions were up. */
  get #elapsed(): number {
    return this.#beganAt === undefined ? 0 : (performance.now() - this.#beganAt) / 1_000
  }

  async #until(share: number, signal: AbortSignal): Promise<void> {
    await delay(Math.max(0, (share * this.#seconds - this.#elapsed) * 1_000), undefined, { signal })
  }

  /** Waits for the condition, and not for ever: what is not there by then is missing, and the report says so. */
  async #waitFor(condition: () => boolean, signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS
    while (!condition() && performance.now() < deadline) await delay(POLL_MS, undefined, { signal })
  }
}
