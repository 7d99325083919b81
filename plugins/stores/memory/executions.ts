import type { Execution, ExecutionClaim, ExecutionEnding } from '../../../core/index.ts'

/** Effects that have begun, by the ids of their messages, the oldest first. */
export class KeptExecutions {
  readonly #byId = new Map<string, Execution>()

  claim(claims: readonly ExecutionClaim[], claimedAt: number): readonly (Execution | undefined)[] {
    return claims.map((claim) => {
      const known = this.find(claim.messageId)
      if (!known) this.#keep({ ...claim, claimedAt, finishedAt: undefined, outcome: undefined, text: undefined })
      return known
    })
  }

  finish(messageId: string, { outcome, text }: ExecutionEnding, finishedAt: number): void {
    const known = this.find(messageId)
    if (known && known.finishedAt === undefined) this.#keep({ ...known, finishedAt, outcome, text })
  }

  interrupt(ending: ExecutionEnding, at: number): readonly Execution[] {
    const open = [...this.#byId.values()].filter(({ finishedAt }) => finishedAt === undefined)
    for (const { messageId } of open) this.finish(messageId, ending, at)
    return open.map(({ messageId }) => this.find(messageId) as Execution)
  }

  find(messageId: string): Execution | undefined {
    return this.#byId.get(messageId)
  }

  forget(finishedBefore: number, limit: number): number {
    const isOld = ({ finishedAt = Number.POSITIVE_INFINITY }: Execution) => finishedAt < finishedBefore
    const old = [...this.#byId.values()].filter(isOld).slice(0, limit)
    for (const { messageId } of old) this.#byId.delete(messageId)
    return old.length
  }

  #keep(execution: Execution): void {
    this.#byId.set(execution.messageId, execution)
  }
}
