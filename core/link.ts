import type { Lane } from './protocol/codec.ts'
import type { Level } from './protocol/limits.ts'

/**
 * What a transport author writes: how to open connections, and what the other end said of itself while they opened.
 * Who is who, which of two links stays, and when to dial again is the kernel's business (`links.ts`, `dialer.ts`).
 */
export interface Transport {
  readonly name: string
  /** URL schemes that it dials, such as `['ws:', 'wss:']`. */
  readonly protocols: readonly string[]

  /**
   * Opens the listening side; `accept` is called for each connection once it has introduced itself, and is told in
   * return what `introduce` says towards one of that name.
   * Resolves to the address that a peer could dial, when there is one.
   */
  listen(introduce: Introduce, accept: Accept): Promise<string | undefined>

  /** Dials once. Resolves to an open connection, or rejects; never retries by itself. */
  dial(peer: PeerSettings, self: Introduction, signal: AbortSignal): Promise<Connection>

  /** Takes no new connections; those that are open stay. */
  stopListening(): Promise<void>

  /** Ends every connection with `1001 going away` and gives back all sockets. */
  close(): Promise<void>
}

export type Accept = (connection: Connection) => void

/** What this end says of itself towards one whose name is known, or not. */
export type Introduce = (towards: string | undefined) => Introduction

/** What one end says of itself when a connection opens. */
export interface Introduction {
  /** Instance id, or the name of a client; undefined: an unnamed client, or a peer that does not say. */
  readonly instanceId: string | undefined
  readonly role: 'instance' | 'client'
  /** Everything that is reachable behind this link. */
  readonly tags: readonly string[]
  readonly clusterGroupId: string | undefined
  /** Whether what is due waits while it is away. Only ever true of those that have a name. */
  readonly durable: boolean
  /** Whether it understands a `HELLO` that announces new tags on the plain level. */
  readonly announces: boolean
  /** Whether it understands a `SYNC`, by which instances compare their state. */
  readonly syncs?: boolean
}

export type { Lane }

/** One open connection, as a transport hands it over. Frames of one lane come in the order they were sent. */
export interface Connection {
  readonly remote: Introduction
  /**
   * The level of the protocol that both ends agreed on when it opened: of the subprotocols that the dialling end speaks, the
   * first that the listening one speaks too. Left out: plain. On the linked level frames are up to 1 MiB long, both ways.
   */
  readonly level?: Level
  /** Where the other end is, for logs and pages: address and port, no credentials. */
  readonly address: string
  /**
   * Sends one text frame, as `bulk` unless it is said otherwise. Never throws. A connection that is closing drops it: nothing is
   * lost, its delivery stays open. Both lanes are bounded. While too much waits in the lane of control frames, nothing is read
   * from the other end; when too much waits in the lane of bulk frames, the connection is closed.
   */
  send(frame: string, lane?: Lane): void
  /** Bytes handed to `send`, in both lanes, that the other end's machine has not taken yet. */
  readonly bufferedBytes: number
  /** Stops and resumes reading: how the bus says that it has enough for now. */
  pause(): void
  resume(): void
  /** Closes with a code of §2 of the protocol. Closing twice does nothing. */
  close(code: number, reason: string): void
  /** Whom to call. Set once, before the first frame is read. */
  handle(handlers: ConnectionHandlers): void
}

export interface ConnectionHandlers {
  /** A text frame; `bytes` is its size on the wire. */
  frame(text: string, bytes: number): void
  /** The connection is gone, whoever closed it. Called once. */
  closed(code: number, reason: string): void
}

/** A peer that the configuration names. */
export interface PeerSettings {
  readonly url: string
  /** What is reachable behind the link, beside what the peer announces. */
  readonly tags?: readonly string[]
  readonly clusterGroupId?: string
  /** Its instance id, when it is known beforehand: a link that turns out to lead elsewhere is refused. */
  readonly instanceId?: string
  /** TLS: PEM text, or the path of a PEM file. */
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  /** TLS: false accepts any certificate. Refused beyond loopback unless `allowInsecure` is set. */
  readonly rejectUnauthorized?: boolean
  /** Bearer token to present. */
  readonly token?: string
}

export { CloseCode } from './protocol/close-code.ts'
