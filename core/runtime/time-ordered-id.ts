/** Random bytes are drawn in pieces: a call of the system is dearer than an id. */
const random = new Uint8Array(1_000)
const BYTES = 10
let used = random.length

/**
 * A UUIDv7 (RFC 9562, §5.7): milliseconds since the epoch, then 74 bits of chance. Those of one millisecond come in any order;
 * the package that an instance uses orders them too, and is five times as much for a browser to download.
 */
export function timeOrderedId(milliseconds: number): string {
  if (used === random.length) {
    crypto.getRandomValues(random)
    used = 0
  }
  const time = milliseconds.toString(16).padStart(12, '0')
  const chance = Array.from(random.subarray(used, used + BYTES), (byte) => byte.toString(16).padStart(2, '0')).join('')
  const variant = (8 | ((random[used] as number) & 3)).toString(16)
  used += BYTES
  return `${time.slice(0, 8)}-${time.slice(8)}-7${chance.slice(2, 5)}-${variant}${chance.slice(5, 8)}-${chance.slice(8)}`
}
