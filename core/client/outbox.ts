/** A message that is kept until an instance has it. */
export interface KeptMessage {
  readonly messageId: string
  /** Its JSON, as it is sent each time. */
  readonly text: string
  /** Messages of one key are sent one after the other. */
  readonly orderingKey: string | undefined
}

/** Keeps what is published, so that a crash of this process loses nothing. `slipstream/client/disk` has one for Node. */
export interface Outbox {
  /** What was kept before and not removed, oldest first. Called once, before anything else. */
  open(): Promise<readonly KeptMessage[]>
  /** Resolves when the message is kept. Messages become kept in the order in which they were put. */
  put(message: KeptMessage): Promise<void>
  /** It is acknowledged, refused or withdrawn. Removing may take effect later: then it is sent once more, which harms nobody. */
  remove(messageId: string): void
  /** Resolves when all that was put and removed is written. */
  close(): Promise<void>
}
