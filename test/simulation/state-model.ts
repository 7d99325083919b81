import { join, SHARED_SPACE, type StateEntry, weightsOf } from '../../core/index.ts'
import { stampOf, versionOf } from '../../core/state/audience.ts'
import { APPLIED_TYPE, type Publication } from './publication.ts'

/** One way in which a publication was written: published through two instances, it may have two stamps. */
interface Write {
  readonly publication: Publication
  readonly stamp: string
}

/** Each member once, with its weight as it is written. */
const MEMBERS = /\{"member":"([^"]+)","weight":([^}]+)\}/g

/**
 * What state must come to: the join of all that was written. It knows each write from what its publisher meant and from the
 * stamp that it was given, and nothing of how it came to whom.
 */
export class StateModel {
  readonly #writes = new Map<string, Write>()
  readonly #byKey = new Map<string, Write[]>()

  /** An instance has that message on disk under that stamp, or was given it once more. */
  stamped(publication: Publication, stamp: string): void {
    if (publication.type === APPLIED_TYPE || this.#writes.has(stamp)) return
    const write = { publication, stamp }
    this.#writes.set(stamp, write)
    const { key } = publication
    this.#byKey.set(key, [...(this.#byKey.get(key) ?? []), write])
  }

  /** What was written with that stamp. */
  written(stamp: string): Publication | undefined {
    return this.#writes.get(stamp)?.publication
  }

  get keys(): readonly string[] {
    return [...this.#byKey.keys()]
  }

  /** Whether all that was ever written of a key is for everybody. */
  isForAll(key: string): boolean {
    return this.#of(key).every(({ publication }) => isForAll(publication))
  }

  publicationsOf(key: string): ReadonlySet<Publication> {
    return new Set(this.#of(key).map(({ publication }) => publication))
  }

  /** What those writes of a key come to. */
  entry(key: string, counts: (stamp: string, publication: Publication) => boolean): StateEntry | undefined {
    return this.#of(key)
      .filter(({ stamp, publication }) => counts(stamp, publication))
      .reduce<StateEntry | undefined>((entry, write) => join(entry, deltaOf(write), () => undefined).entry, undefined)
  }

  #of(key: string): readonly Write[] {
    return this.#byKey.get(key) ?? []
  }
}

/** The stamps that an entry bears. */
export function stampsIn(entry: StateEntry): readonly string[] {
  const versions = entry.shape === 'weights' ? entry.members.map(({ version }) => version) : [entry.version]
  return versions.map(stampOf)
}

/** An entry in writing, to the byte. */
export function print(entry: StateEntry | undefined): string {
  if (!entry) return 'nothing'
  const { key, shape, version } = entry
  return JSON.stringify([key, shape, version, ...contentOf(entry)])
}

function contentOf(entry: StateEntry): readonly unknown[] {
  if (entry.shape === 'tombstone') return []
  if (entry.shape !== 'weights') return [entry.value]
  return [entry.floor, ...entry.members.map(({ member, weight, version }) => [member, weight, version])]
}

function isForAll({ targetedTags, targetInstanceId }: Publication): boolean {
  return targetedTags.length === 0 && targetInstanceId === undefined
}

function deltaOf({ publication, stamp }: Write): StateEntry {
  const { type, key, value = '' } = publication
  const version = versionOf({ ...publication, version: stamp })
  const place = { space: SHARED_SPACE, key }
  if (type === 'DEL') return { ...place, shape: 'tombstone', version }
  if (type !== 'SW') return { ...place, shape: type === 'SA' ? 'array' : 'value', version, value }
  const members = [...value.matchAll(MEMBERS)].map(([, member = '', weight = '']) => ({
    member,
    weight: weight === 'null' ? null : weight,
    version,
  }))
  return weightsOf(SHARED_SPACE, key, members) as StateEntry
}
