import { hash } from 'node:crypto'
import type { StateEntry, StateKey } from '../../../core/index.ts'

/** What is told of an entry before it is known whether the other side needs it. */
export interface Sighting {
  /** Of space and key: 48 bits, in base64. */
  readonly name: string
  /** Of the whole entry, tombstones and floors included: 48 bits, in base64. */
  readonly digest: string
  /** When it was written, in milliseconds since the epoch: of two whole writes, the one that counts is known by it. */
  readonly time: number
  /** Whether it was written as a whole, so that of two of them one counts and nothing of the other. */
  readonly isWhole: boolean
}

/** Of a name, a digest, and a time. */
const PART = 8
const SIGHTING = 3 * PART

export function nameOf({ space, key }: StateKey): string {
  return sha256([space, key], 'base64').slice(0, PART)
}

/** SHA-256 of the whole entry, tombstones and floors included. */
export function entryDigest(entry: StateEntry, encoding: 'base64' | 'hex'): string {
  const { space, key, shape, version } = entry
  const content = entry.shape === 'weights' ? [entry.floor, membersOf(entry)] : 'value' in entry ? [entry.value] : []
  return sha256([space, key, shape, version, content], encoding)
}

export function sightingOf(entry: StateEntry): Sighting {
  const { shape, version } = entry
  return {
    name: nameOf(entry),
    digest: entryDigest(entry, 'base64').slice(0, PART),
    time: Number(version.slice(0, 13)),
    isWhole: shape !== 'weights' && shape !== 'own',
  }
}

/** 24 characters. */
export function write({ name, digest, time, isWhole }: Sighting): string {
  const bytes = Buffer.alloc(6)
  bytes.writeUIntBE(2 * time + (isWhole ? 1 : 0), 0, 6)
  return name + digest + bytes.toString('base64')
}

export function readAll(text: string): readonly Sighting[] {
  return partsOf(text, SIGHTING).map((part) => {
    const bits = Buffer.from(part.slice(2 * PART), 'base64').readUIntBE(0, 6)
    return {
      name: part.slice(0, PART),
      digest: part.slice(PART, 2 * PART),
      time: Math.floor(bits / 2),
      isWhole: bits % 2 === 1,
    }
  })
}

export function readNames(text: string): readonly string[] {
  return partsOf(text, PART)
}

function partsOf(text: string, length: number): readonly string[] {
  const parts: string[] = []
  for (let at = 0; at + length <= text.length; at += length) parts.push(text.slice(at, at + length))
  return parts
}

function membersOf({ members }: Extract<StateEntry, { shape: 'weights' }>) {
  return members.map(({ member, weight, version }) => [member, weight, version])
}

function sha256(parts: readonly unknown[], encoding: 'base64' | 'hex'): string {
  return hash('sha256', JSON.stringify(parts), encoding)
}
