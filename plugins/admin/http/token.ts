import { createHash, timingSafeEqual } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { problemOf, slipstreamError } from '../../../core/index.ts'

const MIN_BYTES = 32
const MAX_BYTES = 4096
/** What group and others may do with a file. */
const NOT_THE_OWNERS = 0o077

/** Tells whether what somebody presents is the token. */
export type TokenCheck = (presented: string) => boolean

/** Reads the token that a file holds. Rejects with `SLP_TOKEN_FILE` when it is missing, short or open to others. */
export async function readToken(path: string): Promise<TokenCheck> {
  const token = await read(path)
  const bytes = Buffer.byteLength(token)
  if (bytes < MIN_BYTES) throw slipstreamError('SLP_TOKEN_FILE', [path, `it holds ${bytes} bytes`])
  const expected = digest(token)
  // Digests have one length, so the time it takes tells nothing about the token, its length included.
  return (presented) => timingSafeEqual(digest(presented), expected)
}

async function read(path: string): Promise<string> {
  let file: FileHandle | undefined
  try {
    file = await open(path)
    const { mode, size } = await file.stat()
    if ((mode & NOT_THE_OWNERS) !== 0) throw new Error('others than its owner may read it')
    if (size > MAX_BYTES) throw new Error(`it holds ${size} bytes`)
    return (await file.readFile('utf8')).trim()
  } catch (cause) {
    throw slipstreamError('SLP_TOKEN_FILE', [path, problemOf(cause)], { cause })
  } finally {
    await file?.close()
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
