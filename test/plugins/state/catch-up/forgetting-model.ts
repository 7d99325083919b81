import { type Kernel, type Link, SHARED_SPACE, type StateEntry, weightsOf } from '../../../../core/index.ts'
import { join } from '../../../../core/state/join.ts'
import { Lateness } from '../../../../core/state/lateness.ts'
import { isLive } from '../../../../core/state/tombstones.ts'
import { stateUpkeep } from '../../../../core/state/upkeep.ts'
import { Answering } from '../../../../plugins/state/catch-up/answering.ts'
import type { Asking } from '../../../../plugins/state/catch-up/asking.ts'
import type { Question, SyncFrame } from '../../../../plugins/state/catch-up/frames.ts'
import { PublicHoldings } from '../../../../plugins/state/catch-up/holdings.ts'
import { Membership } from '../../../../plugins/state/catch-up/membership/membership.ts'
import { newFigures } from '../../../../plugins/state/catch-up/progress.ts'
import { runSession } from '../../../../plugins/state/catch-up/session.ts'
import type { Snapshot } from '../../../../plugins/state/catch-up/snapshot.ts'
import { Visit } from '../../../../plugins/state/catch-up/visit.ts'
import { MemoryState } from '../../../../plugins/state/memory.ts'
import { contents } from './support.ts'

export const KEEP_MS = 1_000
const START = 1_700_000_000_000

export type Step =
  | { readonly do: 'write'; readonly at: number; readonly key: number; readonly what: What; readonly age: number }
  | { readonly do: 'deliver'; readonly write: number; readonly to: number }
  | {
      readonly do: 'session'
      readonly from: number
      readonly to: number
      readonly meanwhile: number
      readonly lost: boolean
    }
  | { readonly do: 'look'; readonly at: number }
  | { readonly do: 'pass' | 'calm'; readonly ms: number }
  | { readonly do: 'restart' | 'wipe' | 'isolate' | 'rejoin'; readonly at: number }

export type What = 'set' | 'delete' | 'member' | 'unmember'

interface Gone {
  readonly key: string
  readonly member: string | undefined
  readonly version: string
}

/**
 * Instances without a bus: real catch-up over real backends, whose messages, sessions and looks come in an order that a
 * test says, and one within the other.
 */
export class Model {
  readonly instances: readonly ModelInstance[]
  readonly #awayMs: number
  /** Writes that an instance has let in, oldest first. */
  readonly accepted: StateEntry[] = []
  now = START
  #stamps = 0
  #steps: Step[] = []

  constructor(count: number, awayMs: number) {
    this.#awayMs = awayMs
    this.instances = Array.from({ length: count }, (_, n) => new ModelInstance(this, String.fromCharCode(97 + n)))
  }

  /** All are members of one mesh before anything else happens. */
  async begin(): Promise<void> {
    for (const instance of this.instances) await instance.open()
    await this.#allMeet()
  }

  async run(steps: readonly Step[]): Promise<void> {
    this.#steps = [...steps]
    for (let step = this.#steps.shift(); step; step = this.#steps.shift()) await this.#take(step)
  }

  /** Everybody is linked with everybody for so long that all is exchanged, and what was deleted is forgotten. */
  async heal(): Promise<void> {
    for (const instance of this.instances) instance.isolated = false
    for (let round = 0; round < 6; round++) {
      await this.#allMeet()
      for (const instance of this.instances) await instance.look(KEEP_MS, Number.POSITIVE_INFINITY)
      this.now += KEEP_MS / 2
    }
  }

  /** Everything that was forgotten in good order, at any instance. */
  get forgotten(): readonly Gone[] {
    return this.instances.flatMap(({ forgotten }) => forgotten)
  }

  /** What the writes that were let in come to, without what is deleted. */
  expected(): ReadonlyMap<string, StateEntry> {
    const all = new Map<string, StateEntry>()
    for (const delta of this.accepted) all.set(delta.key, join(all.get(delta.key), delta, () => undefined).entry)
    return new Map([...all].filter(([, entry]) => isLive(entry)))
  }

  async #allMeet(): Promise<void> {
    for (let times = 0; times < 3; times++) {
      for (const one of this.instances) {
        for (const other of this.instances) if (one !== other) await one.meet(other, () => Promise.resolve())
      }
    }
  }

  /** All who see each other meet, and look what may be forgotten. */
  async #calm(): Promise<void> {
    const present = this.instances.filter(({ isolated }) => !isolated)
    for (let times = 0; times < 2; times++) {
      for (const one of present) {
        for (const other of present) if (one !== other) await one.meet(other, () => Promise.resolve())
      }
      for (const one of present) await one.look(KEEP_MS, this.#awayMs)
    }
  }

  async #take(step: Step): Promise<void> {
    const at = (n: number) => this.instances[n % this.instances.length] as ModelInstance
    switch (step.do) {
      case 'write':
        await this.#write(at(step.at), step)
        break
      case 'deliver': {
        const write = this.accepted[this.accepted.length - 1 - (step.write % (this.accepted.length || 1))]
        if (write) await at(step.to).apply(write)
        break
      }
      case 'session': {
        const [from, to] = [at(step.from), at(step.to)]
        let left = step.meanwhile
        const meanwhile = async () => {
          if (left === 0 && step.lost) throw new Error('lost')
          const next = left-- > 0 ? this.#steps.shift() : undefined
          if (next) await this.#take(next)
        }
        if (from !== to && !from.isolated && !to.isolated) await from.meet(to, meanwhile)
        break
      }
      case 'look':
        await at(step.at).look(KEEP_MS, this.#awayMs)
        break
      case 'pass':
        this.now += step.ms
        break
      case 'calm':
        this.now += step.ms
        await this.#calm()
        break
      case 'isolate':
      case 'rejoin':
        at(step.at).isolated = step.do === 'isolate'
        break
      case 'restart':
        await at(step.at).open()
        break
      case 'wipe':
        await at(step.at).wipe()
    }
  }

  async #write(at: ModelInstance, { key, what, age }: Extract<Step, { do: 'write' }>): Promise<void> {
    const stamp = `${this.now - age}-${String(++this.#stamps).padStart(5, '0')}-${at.id}`
    const entry = entryOf(`k${key}`, what, stamp)
    if (at.lateness.isLate(stamp)) return
    this.accepted.push(entry)
    await at.apply(entry)
  }
}

const snapshots = new Map<string, Snapshot>()

/** Sixty-five thousand buckets are hashed once for each content, not for each session. */
class QuickHoldings extends PublicHoldings {
  override async snapshot(): Promise<Snapshot> {
    const entries = await this.state.scan(undefined, { entries: 1_000, bytes: 1024 ** 3 })
    const content = JSON.stringify(entries.map((entry) => this.part(entry)))
    const snapshot = snapshots.get(content) ?? (await super.snapshot())
    if (snapshots.size > 1_000) snapshots.clear()
    snapshots.set(content, snapshot)
    return snapshot
  }
}

class ModelInstance {
  readonly id: string
  readonly #model: Model
  forgotten: Gone[] = []
  state = new MemoryState()
  lateness = new Lateness()
  isolated = false
  #membership: Membership | undefined
  #holdings: PublicHoldings | undefined
  #answering: Answering | undefined
  #kernel: Kernel | undefined
  /** With whom there is a session: one at a time. */
  readonly #meeting = new Set<string>()

  constructor(model: Model, id: string) {
    this.#model = model
    this.id = id
  }

  /** A start: of what was before, there is what is kept with the state. */
  async open(): Promise<void> {
    this.lateness = new Lateness()
    const { state, lateness, id } = this
    await state.open({ runtime: undefined as never, joinedBy: () => undefined })
    const upkeep = stateUpkeep({ lateness, backend: () => state, failed: () => {} })
    const runtime = { now: () => this.#model.now, defer: (task: () => void) => task() }
    const kernel = {
      ...{ instanceId: id, epoch: 'e', settings: { tags: [] }, runtime, state, stateUpkeep: upkeep },
      joinState: (entries: readonly StateEntry[]) => state.join(entries),
    } as unknown as Kernel
    this.#kernel = kernel
    this.#membership = new Membership(kernel)
    await this.#membership.open()
    const membership = this.#membership
    const holdings = new QuickHoldings(kernel, membership)
    this.#holdings = holdings
    this.#answering = new Answering(kernel, { holdings, membership, received: () => {}, toAsk: () => {} })
  }

  /** A start with nothing. What nobody else had is lost with it, deletions as well. */
  async wipe(): Promise<void> {
    this.state = new MemoryState()
    this.forgotten = []
    await this.open()
  }

  /** A message comes. */
  async apply(entry: StateEntry): Promise<void> {
    if (!this.lateness.isLate(entry.version)) await this.state.join([entry])
  }

  /** A session that this instance begins; `meanwhile` happens with each question. */
  async meet(other: ModelInstance, meanwhile: () => Promise<void>): Promise<void> {
    if (this.#meeting.has(other.id) || other.#meeting.has(this.id)) return
    this.#meeting.add(other.id)
    const [link, back] = [{ peer: other.id }, { peer: this.id }] as unknown as [Link, Link]
    const [answering, holdings, membership, kernel] = [
      other.#answering as Answering,
      this.#holdings as PublicHoldings,
      this.#membership as Membership,
      this.#kernel as Kernel,
    ]
    const isSame = () => answering === other.#answering && holdings === this.#holdings
    let id = 0
    const ask = async (ask: Question, content: object): Promise<SyncFrame> => {
      await meanwhile()
      if (!isSame()) throw new Error('one of them is another one now')
      const answer = await answering.answer(back, { id: ++id, ask, ...content })
      await meanwhile()
      if (!isSame()) throw new Error('one of them is another one now')
      return { id, ...answer }
    }
    const asking = { link, ask } as unknown as Asking
    const visit = new Visit(asking, holdings, membership)
    try {
      const figures = newFigures()
      await runSession(asking, holdings, {
        ...{ epoch: kernel.epoch, tags: [], shared: false, half: 0, last: undefined, figures, visit },
      })
    } catch (error) {
      if (!/^(lost|one of them)/.test((error as Error).message)) throw error
    } finally {
      this.#meeting.delete(other.id)
    }
  }

  /** As from time to time: gives up, promises, and forgets. */
  async look(keepMs: number, awayMs: number): Promise<void> {
    const membership = this.#membership as Membership
    const { registry } = membership
    registry.giveUp(this.#model.now - awayMs)
    await membership.promise(this.#model.now - keepMs)
    // Whoever has not met the others since it lost everything waits for them.
    if (this.#model.instances.every(({ id }) => registry.knows(id))) registry.raiseFloor()
    await membership.save()
    const before = await goneOf(this.state)
    await this.state.purgeTombstones(membership.floor, 1_000)
    const after = new Set((await goneOf(this.state)).map((gone) => JSON.stringify(gone)))
    this.forgotten.push(...before.filter((gone) => !after.has(JSON.stringify(gone))))
  }
}

function entryOf(key: string, what: What, version: string): StateEntry {
  const at = { space: SHARED_SPACE, key }
  if (what === 'set') return { ...at, shape: 'value', version, value: `"${version}"` }
  if (what === 'delete') return { ...at, shape: 'tombstone', version }
  const member = `m${version.at(-3)}`
  return weightsOf(SHARED_SPACE, key, [{ member, weight: what === 'member' ? '1' : null, version }]) as StateEntry
}

async function goneOf(state: MemoryState): Promise<Gone[]> {
  return [...(await contents(state)).values()].flatMap((entry): Gone[] => {
    const { key, version } = entry
    if (entry.shape === 'tombstone') return [{ key, member: undefined, version }]
    if (entry.shape !== 'weights') return []
    const removed = entry.members.filter(({ weight }) => weight === null)
    const members = removed.map(({ member, version }) => ({ key, member, version }))
    return entry.floor === '' ? members : [...members, { key, member: undefined, version: entry.floor }]
  })
}
