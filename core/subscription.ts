/**
 * What a client wants of what is for it. A list that is empty narrows nothing; of the others, each must hold. Immutable: whoever
 * subscribes anew gets another one.
 */
export interface Subscription {
  /** Names of message types. */
  readonly types: readonly string[]
  /** What keys begin with. */
  readonly keys: readonly string[]
  /** Tags that messages are targeted at. */
  readonly tags: readonly string[]
}
