import type { Link } from '../links.ts'
import type { Timer } from '../runtime/runtime.ts'
import { type Consistency, type Finding, newestOf } from './finding.ts'
import type { Reply } from './reply.ts'

/** What was found in time, and whether everybody who was asked has answered. */
export interface Found {
  readonly findings: readonly Finding[]
  readonly complete: boolean
}

/** A request that awaits answers: of this instance itself, of neighbours, or of both. */
export class OpenRequest {
  readonly messageId: string
  readonly type: string
  /** Who asked here, and is to be answered; undefined: this instance itself. */
  readonly asker: Link | undefined
  readonly consistency: Consistency
  /** Called once with all that was found, if this instance itself has asked. */
  found: (found: Found) => void = () => {}
  /** Rings when there is no time left. */
  timer: Timer | undefined
  readonly #waiting = new Set<Link>()
  readonly #findings: Finding[] = []
  #complete = true
  #selfIsAsked = false

  constructor(asked: { messageId: string; type: string; asker: Link | undefined; consistency: Consistency }) {
    this.messageId = asked.messageId
    this.type = asked.type
    this.asker = asked.asker
    this.consistency = asked.consistency
  }

  get findings(): readonly Finding[] {
    return this.#findings
  }

  /** Whether everybody who was asked has answered, and everybody behind them. */
  get complete(): boolean {
    return this.#complete && !this.#isWaiting
  }

  /** Whether somebody knows what was asked for. */
  get isFound(): boolean {
    return newestOf(this.#findings)?.version !== undefined
  }

  /** Whether no answer that may still come would change the reply. */
  get isDecided(): boolean {
    if (!this.#isWaiting) return true
    return this.consistency === 'first' && this.isFound
  }

  get #isWaiting(): boolean {
    return this.#selfIsAsked || this.#waiting.size > 0
  }

  askSelf(): void {
    this.#selfIsAsked = true
  }

  ask(links: readonly Link[]): void {
    for (const link of links) this.#waiting.add(link)
  }

  /** This instance has answered; undefined: it cannot. */
  selfAnswered(finding: Finding | undefined): void {
    this.#selfIsAsked = false
    if (finding) this.#findings.push(finding)
    else this.#complete = false
  }

  /** A neighbour has answered; undefined: it cannot, or is gone. False when it was not asked, or has answered already. */
  answered(link: Link, reply: Reply | undefined): boolean {
    if (!this.#waiting.delete(link)) return false
    this.#findings.push(...(reply?.findings ?? []))
    if (!reply?.complete) this.#complete = false
    return true
  }
}
