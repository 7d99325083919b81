import { crc32 } from 'node:zlib'

/** The columns of a message that its recipients rely on. */
export interface Checked {
  readonly type: string
  readonly messageId: string
  readonly clusterGroupId: string
  /** JSON, as it is stored. */
  readonly path: string
  readonly text: string
  readonly expiresAt: number | null
}

/** CRC-32 of what is delivered. SQLite notices hardly any flipped bit by itself; a payment must not be altered by one. */
export function checksumOf({ type, messageId, clusterGroupId, path, text, expiresAt }: Checked): number {
  // Nothing is added for a message that does not expire: rows from before there was an expiry keep their checksum.
  const expiry = expiresAt === null ? '' : `\n${expiresAt}`
  return crc32(`${type}\n${messageId}\n${clusterGroupId}\n${path}\n${text}${expiry}`)
}
