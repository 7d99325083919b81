/** Random bytes are drawn in pieces: a call of the system is dearer than an id. Each takes ten. */
const random = new Uint8Array(1_000)
let used = random.length
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

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
  const id =
    `${time.slice(0, 8)}-${time.slice(8)}-7${next().slice(1)}${next()}` +
    `-${HEX[((random[used++] as number) & 0x3f) | 0x80]}${next()}-`
  return id + next() + next() + next() + next() + next() + next()
}

function next(): string {
  return HEX[random[used++] as number] as string
}
