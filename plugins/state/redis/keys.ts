import { SHARED_SPACE, type StateKey } from '../../../core/index.ts'

/** Slots of a cluster (Redis Cluster specification, "Key distribution model"). */
const SLOTS = 16_384
const CRC_POLYNOMIAL = 0x1021

/** The names under which a backend keeps its things. */
export class KeyNames {
  readonly #prefix: string

  constructor(prefix: string) {
    this.#prefix = prefix
  }

  /** Where applications read: the key itself, and for a type with a space of its own `space:key`. */
  application({ space, key }: StateKey): string {
    return space === SHARED_SPACE ? key : `${space}:${key}`
  }

  /** Version and text of the same key, in the same slot: a script may touch both. */
  meta(at: StateKey): string {
    const name = this.application(at)
    return `${this.#prefix}${tagOf(name)}${at.space}:${at.key}`
  }

  /** All keys that are known, by bucket. */
  get index(): string {
    return `${this.#prefix}{index}`
  }

  /** What each key counts for, beside the index. */
  get figures(): string {
    return `${this.#prefix}{index}:figures`
  }

  /** Texts that are kept beside the entries. */
  get notes(): string {
    return `${this.#prefix}{index}:notes`
  }
}

/** A hash tag that puts a key into the slot of this name. */
function tagOf(name: string): string {
  const own = ownTag(name)
  if (own !== undefined) return `{${own}}`
  // Within braces a name with a closing one would end too early: any other text of the same slot does.
  return name.includes('}') ? `{${textOfSlot(slotOf(name))}}` : `{${name}}`
}

/** What stands between the first brace and the next closing one, if anything does: only that decides the slot. */
function ownTag(name: string): string | undefined {
  const open = name.indexOf('{')
  const close = open < 0 ? -1 : name.indexOf('}', open + 1)
  return close > open + 1 ? name.slice(open + 1, close) : undefined
}

export function slotOf(name: string): number {
  return crc16(ownTag(name) ?? name) % SLOTS
}

function textOfSlot(slot: number): string {
  for (let text = 0; ; text++) if (crc16(String(text)) % SLOTS === slot) return String(text)
}

/** CRC-16/XMODEM, as Redis Cluster has it. */
function crc16(text: string): number {
  let crc = 0
  for (const byte of Buffer.from(text)) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? ((crc << 1) ^ CRC_POLYNOMIAL) & 0xffff : (crc << 1) & 0xffff
  }
  return crc
}
