import type { Hello } from './hello.ts'

/** Messages of one connection, by their numbers, both ends of the range included. */
export interface Range {
  readonly from: number
  readonly to: number
}

/** What is answered: by number, or, of what bears none, by its id. */
export type Target = Range | { readonly id: string }

export interface MessageLine {
  readonly kind: 'message'
  /** Which one it is of those that the sender wants to be answered by number; 0: none of them. */
  readonly number: number
  /** Everyone it passed, the sender last. */
  readonly path: readonly string[]
  /** The message's own text, to the byte. */
  readonly text: string
}

export interface Acked {
  readonly target: Target
  /** How many each message is for. Not told between instances. */
  readonly recipients?: number
  /** It was there already. */
  readonly duplicate?: boolean
}

export interface AckLine {
  readonly kind: 'ack'
  readonly acked: readonly Acked[]
}

/** Why something is not kept. */
export interface Refused {
  readonly code: string
  readonly reason: string
  readonly retryable: boolean
  /** When the same may succeed, in milliseconds from now, if that is known. */
  readonly retryAfterMs?: number | undefined
}

export interface NackLine extends Refused {
  readonly kind: 'nack'
  /** `*`: a line that could not be read. */
  readonly targets: readonly (Target | '*')[]
}

export interface CreditLine {
  readonly kind: 'credit'
  readonly messages: number
  readonly bytes: number
}

export interface PulseLine {
  readonly kind: 'pulse'
  /** Milliseconds since the epoch. */
  readonly time: number
  /** How many instances beside the reader agree with that. */
  readonly agrees: number
}

export interface HelloLine {
  readonly kind: 'hello'
  readonly hello: Hello
}

/** One line of a frame of the linked level. */
export type Line = MessageLine | AckLine | NackLine | CreditLine | PulseLine | HelloLine
