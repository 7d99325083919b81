/** What is written down before an effect begins. Never what the message says. */
export interface ExecutionClaim {
  /** Of the message whose effect it is. Its cluster group does not count: the effect happens once, whatever instance let it in. */
  readonly messageId: string
  /** Of the message: tells a repetition from another message under its id. */
  readonly fingerprint: string
  /** What is done, such as the name of a command. */
  readonly name: string
  /** Who asked for it; undefined for a client without a name. */
  readonly publisher: string | undefined
  /** Who passed it on to this instance, and is told what came of it; undefined for a client without a name. */
  readonly via: string | undefined
}

/** What came of an effect. */
export interface ExecutionEnding {
  /** In one word, such as `done`. */
  readonly outcome: string
  /** What is told to whoever asked, as JSON. */
  readonly text: string
}

/** An effect that has begun at this instance, and what came of it. Times are milliseconds since the epoch. */
export interface Execution extends ExecutionClaim {
  readonly claimedAt: number
  /** Undefined as long as nothing came of it. */
  readonly finishedAt: number | undefined
  readonly outcome: string | undefined
  /** Undefined as well when it was altered on disk. */
  readonly text: string | undefined
}

/** Effects of messages that happen at most once, across restarts: each is claimed on disk before it begins. */
export interface Executions {
  /** As `Store.claimExecutions`. */
  claim(claims: readonly ExecutionClaim[]): Promise<readonly (Execution | undefined)[]>
  /** As `Store.finishExecution`. */
  finish(messageId: string, ending: ExecutionEnding): Promise<void>
  /** As `Store.interruptExecutions`. */
  interrupt(ending: ExecutionEnding): Promise<readonly Execution[]>
  /** As `Store.execution`. */
  find(messageId: string): Promise<Execution | undefined>
  /** As `Store.forgetExecutions`. */
  forget(finishedBefore: number, limit: number): Promise<number>
}
