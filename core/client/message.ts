import type { BodyOf, MessageTypes } from '../message.ts'
import { SINGLETON_GROUP } from '../message.ts'
import { ReceivedMessage } from './received.ts'

/** The bodies of the built-in types, for programs that load no plugin's types. */
export interface BuiltInTypes {
  SK: { key: string; value: unknown }
  SA: { key: string; value: readonly unknown[] }
  SW: { key: string; value: readonly { member: string; weight: number | null }[] }
  DEL: { key: string }
}

/** The body of a type: as plugins declare it in `MessageTypes`, of a built-in one as it is, of any other anything. */
export type TypedBody<Type extends string> = Type extends keyof MessageTypes
  ? BodyOf<Type>
  : Type extends keyof BuiltInTypes
    ? BuiltInTypes[Type]
    : Readonly<Record<string, unknown>>

/** One message for a subscription. Of several types it is one of several messages, told apart by `type`. */
export type Message<Type extends string = string> = { [Each in Type]: OneMessage<Each> }[Type]

/** What became of a message here. `later`: nothing; it is to come again soon, and nothing counts against it. */
export type Verdict =
  | { readonly kept: true }
  | { readonly kept: false; readonly reason: string; readonly retryable: boolean; readonly later?: boolean }

export interface OneMessage<Type extends string> {
  readonly type: Type
  readonly messageId: string
  /** Group of the instance where it entered. Together with the id it names the message. */
  readonly clusterGroupId: string
  /** Stamp of the write: as a string it orders writes. */
  readonly version: string | undefined
  /** Of the state types. */
  readonly key: string | undefined
  /** For those who bear one of these; empty: for everybody. */
  readonly tags: readonly string[]
  /** The JSON as it came, to the byte. */
  readonly text: string
  /** The same, parsed, all members; numbers that JavaScript cannot hold have lost digits: `raw` has them. */
  readonly body: TypedBody<Type>
  /** The exact text of a top-level member: `message.raw('value')` is `9007199254740993` where `body` has …992. */
  raw(member: string): string | undefined
  /** It is handled: the instance forgets it. A second call does nothing. */
  ack(): void
  /**
   * It is not handled. Retryable (the default): it comes again, later and later, and in the end becomes a dead letter; else it
   * becomes one at once. Only messages for a client with a name come again.
   */
  nack(reason?: string, options?: { readonly retryable?: boolean }): void
}

/** A message as it is handed to one subscription. */
export class HandedMessage extends ReceivedMessage implements OneMessage<string> {
  readonly #decide: (verdict: Verdict) => void
  #isDecided = false

  constructor({ text, body }: ReceivedMessage, decide: (verdict: Verdict) => void) {
    super(text, body)
    this.#decide = decide
  }

  get type(): string {
    return this.string('type') ?? ''
  }

  get messageId(): string {
    return this.string('messageId') ?? ''
  }

  get clusterGroupId(): string {
    return this.string('clusterGroupId') ?? SINGLETON_GROUP
  }

  get version(): string | undefined {
    return this.string('version')
  }

  get key(): string | undefined {
    return this.string('key')
  }

  get tags(): readonly string[] {
    return Array.isArray(this.body.targetedTags) ? this.body.targetedTags : []
  }

  ack(): void {
    this.#once({ kept: true })
  }

  nack(reason = 'the application could not handle it', { retryable = true } = {}): void {
    this.#once({ kept: false, reason, retryable })
  }

  /** Nobody has handled it: it goes back. */
  release(): void {
    this.#once({ kept: false, reason: 'its subscription has ended', retryable: true, later: true })
  }

  #once(verdict: Verdict): void {
    if (this.#isDecided) return
    this.#isDecided = true
    this.#decide(verdict)
  }
}
