/** Who may have a command run. */
export interface Permission {
  readonly command: string
  /** Names of publishers; `*`: everybody, those without a name included. */
  readonly identities: readonly string[] | '*'
}

/** What is allowed at one instance: nothing, unless it is said. */
export class Permissions {
  readonly #allowed = new Map<string, ReadonlySet<string> | '*'>()

  constructor(allow: readonly Permission[]) {
    for (const { command, identities } of allow) {
      const before = this.#allowed.get(command) ?? []
      const isForAll = identities === '*' || before === '*'
      this.#allowed.set(command, isForAll ? '*' : new Set([...before, ...identities]))
    }
  }

  /** `publisher` is the name of the client that published it; undefined when it has none. */
  allows(command: string, publisher: string | undefined): boolean {
    const identities = this.#allowed.get(command)
    return identities === '*' || (publisher !== undefined && identities?.has(publisher) === true)
  }
}
