import { DELETIONS, type Kernel, type Link, type Plugin, problemOf } from '../../../core/index.ts'
import { Answering } from './answering.ts'
import { Asking } from './asking.ts'
import type { Divergence } from './comparison.ts'
import { type SyncFrame, syncSchema } from './frames.ts'
import { type Holdings, PublicHoldings } from './holdings.ts'
import { Forgetting, type TombstoneFigures } from './membership/forgetting.ts'
import { Membership } from './membership/membership.ts'
import { Neighbour } from './neighbour.ts'
import { type CatchUpFigures, Progress } from './progress.ts'
import { untilThereIsRoom } from './room.ts'

export type { Divergence, DivergentKey } from './comparison.ts'
export type { TombstoneFigures } from './membership/forgetting.ts'
export type { CatchUpFigures } from './progress.ts'

declare module '../../../core/index.ts' {
  interface Services {
    readonly catchUp: CatchUpService
  }
}

/** How instances bring each other up to date. */
export interface CatchUpService {
  readonly figures: CatchUpFigures
  readonly tombstones: TombstoneFigures
  /** When the last session with that peer was completed, in milliseconds since the epoch. */
  completedAt(peer: string): number | undefined
  /** Exchanges with a linked instance what differs, now. Resolves to whether that was completed; undefined: it cannot be asked. */
  run(peer: string): Promise<boolean | undefined>
  /**
   * Compares with linked instances, all of them or those that are named, and changes nothing; unless `repair` is set: then what
   * differs is exchanged. Names `limit` (1,000) keys of each at most. Whoever cannot be asked is left out; rejects when a link
   * is lost meanwhile.
   */
  compare(wish?: CompareWish): Promise<readonly Divergence[]>
  /**
   * Waits no longer for an instance that held the state, before anything deleted is forgotten. Should it come back, it drops
   * what it has from before that and the others have not. Resolves to whether it was known.
   */
  forgetMember(instanceId: string): Promise<boolean>
}

export interface CatchUpOptions {
  readonly everySeconds?: number
  readonly tombstones?: { readonly keepDays?: number; readonly awayDays?: number }
}

export interface CompareWish {
  readonly peers?: readonly string[]
  readonly limit?: number
  readonly repair?: boolean
}

const DIVERGENT_KEYS = 1_000
const DAY_MS = 24 * 60 * 60 * 1_000

/**
 * State that catches up: instances that are linked compare digests of what they hold and give each other what differs, with its
 * original versions. A new instance, a long-absent one and one that lost its disk end with what the others have. It is spoken
 * only with instances that said at the handshake that they understand it (`SYNC`).
 *
 * What was deleted is forgotten when all instances that hold the state have it, and none of them takes anything older any more.
 *
 * @param options.everySeconds how often two linked instances compare; besides, they do so as soon as they are linked
 * @param options.tombstones.keepDays how old a deletion must be before it is forgotten: older writes than that are superseded
 *   wherever they come as messages, and publishers of such are told `STALE`, once anything was deleted
 * @param options.tombstones.awayDays how long an instance that holds the state may be away before it is not waited for any more
 */
export function catchUp(options: CatchUpOptions = {}): Plugin {
  const { everySeconds = 60, tombstones: { keepDays = 31, awayDays = 7 } = {} } = options
  return {
    name: 'catch-up',
    version: '1.0.0',
    options,
    optionsSchema: {
      type: 'object',
      additionalProperties: false,
      properties: {
        everySeconds: { type: 'number', minimum: 1, maximum: 86_400 },
        tombstones: {
          type: 'object',
          additionalProperties: false,
          properties: {
            keepDays: { type: 'number', exclusiveMinimum: 0, maximum: 36_500 },
            awayDays: { type: 'number', exclusiveMinimum: 0, maximum: 36_500 },
          },
        },
      },
    },
    apply(kernel) {
      kernel.windows.remembers(DELETIONS, keepDays * DAY_MS, 'tombstones.keepDays')
      const membership = new Membership(kernel)
      const forgetting = new Forgetting(kernel, membership, { keepDays, awayDays })
      const neighbours = new Neighbours(kernel, { membership, forgetting, everyMs: everySeconds * 1_000 })
      kernel.hooks.start.tapPromise(async () => {
        if (kernel.state) await forgetting.open()
      })
      kernel.hooks.ready.tap(() => {
        if (kernel.state) forgetting.start()
      })
      kernel.messageType('SYNC', {
        schema: syncSchema,
        receive({ sender, body, bytes }) {
          if (understands(sender)) neighbours.received(sender, body, bytes)
        },
      })
      kernel.provide('catchUp', neighbours)
      kernel.hooks.linkUp.tap((link) => neighbours.add(link))
      kernel.hooks.linkDown.tap((link) => neighbours.remove(link))
      kernel.hooks.drain.tapPromise(async () => {
        neighbours.close()
        forgetting.close()
      })
    },
  }
}

function understands(link: Link): boolean {
  return link.role === 'instance' && link.peer !== undefined && link.connection.remote.syncs === true
}

interface NeighboursContext {
  readonly membership: Membership
  readonly forgetting: Forgetting
  readonly everyMs: number
}

/** Those with whom this instance compares its state: one session at a time with each of them. */
class Neighbours implements CatchUpService {
  readonly #kernel: Kernel
  readonly #everyMs: number
  readonly #membership: Membership
  readonly #forgetting: Forgetting
  readonly #holdings: Holdings
  readonly #progress: Progress
  readonly #answering: Answering
  readonly #neighbours = new Map<Link, Neighbour>()
  readonly #answeringNow = new Set<Link>()

  constructor(kernel: Kernel, { membership, forgetting, everyMs }: NeighboursContext) {
    this.#kernel = kernel
    this.#everyMs = everyMs
    this.#membership = membership
    this.#forgetting = forgetting
    this.#holdings = new PublicHoldings(kernel, membership)
    this.#progress = new Progress(kernel.runtime)
    this.#answering = new Answering(kernel, {
      holdings: this.#holdings,
      membership,
      received: ({ link, entries, applied, shared }) => {
        this.#progress.received(entries, applied)
        if (applied > 0) this.#changed(link, shared)
      },
      toAsk: (link) => void this.#neighbours.get(link)?.run(),
    })
  }

  get tombstones(): TombstoneFigures {
    return this.#forgetting.figures
  }

  async forgetMember(instanceId: string): Promise<boolean> {
    if (!this.#membership.isOpen) return false
    const isKnown = this.#membership.registry.forget(instanceId)
    if (isKnown) await this.#membership.save()
    return isKnown
  }

  get figures(): CatchUpFigures {
    return this.#progress.figures
  }

  completedAt(peer: string): number | undefined {
    return this.#progress.completedAt(peer)
  }

  async run(peer: string): Promise<boolean | undefined> {
    for (const neighbour of this.#neighbours.values()) if (neighbour.name === peer) return neighbour.run()
    return undefined
  }

  async compare({ peers, limit = DIVERGENT_KEYS, repair = false }: CompareWish = {}): Promise<readonly Divergence[]> {
    const divergences: Divergence[] = []
    for (const neighbour of [...this.#neighbours.values()]) {
      const { name: peer } = neighbour
      if (peers && !peers.includes(peer)) continue
      const found = await neighbour.compare(limit)
      const repaired = !repair ? undefined : found.count === 0 || (await neighbour.run())
      divergences.push({ peer, ...found, repaired })
    }
    return divergences
  }

  add(link: Link): void {
    const { runtime, instanceId, state, draining } = this.#kernel
    if (!state || draining || !understands(link)) return
    const name = link.peer as string
    const neighbour = new Neighbour(new Asking(link, runtime), name, {
      kernel: this.#kernel,
      holdings: this.#holdings,
      membership: this.#membership,
      progress: this.#progress,
      everyMs: this.#everyMs,
      leads: instanceId < name,
      changed: (from, shared) => this.#changed(from, shared),
    })
    this.#neighbours.set(link, neighbour)
    neighbour.start()
  }

  remove(link: Link): void {
    this.#neighbours.get(link)?.close()
    this.#neighbours.delete(link)
  }

  close(): void {
    for (const link of [...this.#neighbours.keys()]) this.remove(link)
  }

  received(link: Link, frame: SyncFrame, bytes: number): void {
    if (frame.ask === undefined) this.#neighbours.get(link)?.asking.answered(frame, bytes)
    else void this.#answer(link, frame)
  }

  /** One question at a time: whoever does not wait for the answer gets none. */
  async #answer(link: Link, question: SyncFrame): Promise<void> {
    const { id } = question
    if (this.#answeringNow.has(link)) return
    this.#answeringNow.add(link)
    try {
      const answer = await this.#answering.answer(link, question)
      await untilThereIsRoom(link, this.#kernel.runtime, () => !this.#neighbours.has(link))
      link.send(JSON.stringify({ type: 'SYNC', id, ...answer }))
    } catch (error) {
      const reason = problemOf(error)
      this.#kernel.log.error('catch-up question failed', { peer: link.peer ?? link.id, reason, error })
      link.send(JSON.stringify({ type: 'SYNC', id, failed: 'it could not be answered' }))
    } finally {
      this.#answeringNow.delete(link)
    }
  }

  /** What came from one may be new to all others. */
  #changed(from: Link, shared: boolean): void {
    if (shared) this.#progress.sharedFrom(from.peer as string)
    for (const [link, neighbour] of this.#neighbours) if (link !== from) neighbour.soon()
  }
}
