import { hash } from 'node:crypto'
import { linkLimits, type StateEntry, type StateKey, scanItems, type WeightedMember } from '../../../core/index.ts'

/** Arguments of one command at most: a script cannot hand on many more. */
const MAX_ARGUMENTS = 1_000

/** A command of a change: what to do to the meta key, or to the key that applications read. */
export interface Operation {
  readonly command: 'DEL' | 'SET' | 'RPUSH' | 'ZADD' | 'ZREM' | 'HSET' | 'HDEL'
  readonly on: 'meta' | 'application'
  readonly args: readonly string[]
}

/** Fields of the meta hash; members stand beside them, with a letter in front. */
const FIELD = Object.freeze({ revision: 'rev', shape: 'shape', version: 'version', floor: 'floor', text: 'text' })
const MEMBER = 'm'
/** In place of the weight of a removed member: no number begins with it alone. */
const REMOVED = '-'

/** Greater versions, and different contents of one version, have different revisions. '' for no entry. */
export function revisionOf(entry: StateEntry | undefined): string {
  if (!entry) return ''
  const content =
    entry.shape === 'weights'
      ? [entry.floor, ...entry.members.flatMap(({ member, version, weight }) => [member, version, weight])]
      : ['value' in entry ? entry.value : '']
  return `${entry.version}/${hash('sha256', JSON.stringify([entry.shape, ...content]), 'hex').slice(0, 16)}`
}

/** Reads the meta hash of a key. Undefined when there is none. */
export function parseEntry({ space, key }: StateKey, fields: Readonly<Record<string, string>>): StateEntry | undefined {
  const { [FIELD.version]: version, [FIELD.shape]: shape, [FIELD.floor]: floor = '', [FIELD.text]: value = '' } = fields
  if (version === undefined) return undefined
  const of = { space, key, version }
  if (shape === 'tombstone') return { ...of, shape }
  if (shape === 'weights') return { ...of, shape, floor, members: membersOf(fields) }
  return { ...of, shape: shape as 'value' | 'array' | 'own', value }
}

/** What makes the one entry of the other. */
export function operations(before: StateEntry | undefined, after: StateEntry): readonly Operation[] {
  if (before?.shape === 'weights' && after.shape === 'weights') {
    return [...changeOfMembers(before.members, after.members), setMeta(after)]
  }
  return [
    { command: 'DEL', on: 'meta', args: [] },
    ...(after.shape === 'own' ? [] : [{ command: 'DEL', on: 'application', args: [] } as const]),
    ...contentOf(after),
    setMeta(after),
  ]
}

/** What makes the key one that was never written. */
export const REMOVAL: readonly Operation[] = Object.freeze([
  { command: 'DEL', on: 'meta', args: [] },
  { command: 'DEL', on: 'application', args: [] },
])

function setMeta(entry: StateEntry): Operation {
  const args: string[] = [FIELD.revision, revisionOf(entry), FIELD.shape, entry.shape, FIELD.version, entry.version]
  if (entry.shape === 'weights') args.push(FIELD.floor, entry.floor)
  else if (entry.shape !== 'tombstone') args.push(FIELD.text, entry.value)
  return { command: 'HSET', on: 'meta', args }
}

function contentOf(entry: StateEntry): readonly Operation[] {
  if (entry.shape === 'weights') return changeOfMembers([], entry.members)
  if (entry.shape === 'value') return [{ command: 'SET', on: 'application', args: [plain(entry.value)] }]
  if (entry.shape !== 'array') return []
  return chunks(scanItems(entry.value, linkLimits.maxDepth).map(plain), 1).map((args) => {
    return { command: 'RPUSH', on: 'application', args }
  })
}

/** As an application reads it: a string without its quotes, anything else as JSON. */
function plain(text: string): string {
  return text.startsWith('"') ? (JSON.parse(text) as string) : text
}

function membersOf(fields: Readonly<Record<string, string>>): readonly WeightedMember[] {
  const members: WeightedMember[] = []
  for (const [field, value] of Object.entries(fields)) {
    if (!field.startsWith(`${MEMBER}:`)) continue
    const space = value.indexOf(' ')
    const weight = value.slice(space + 1)
    const member = field.slice(MEMBER.length + 1)
    members.push({ member, weight: weight === REMOVED ? null : weight, version: value.slice(0, space) })
  }
  return members.sort(({ member: one }, { member: other }) => (one < other ? -1 : 1))
}

/** Members that differ, and no others: a set may be large, and a write of it small. */
function changeOfMembers(before: readonly WeightedMember[], after: readonly WeightedMember[]): readonly Operation[] {
  const known = new Map(before.map((member) => [member.member, member]))
  const left = new Set(after.map(({ member }) => member))
  const changed = after.filter(({ member, version, weight }) => {
    const old = known.get(member)
    return !old || old.version !== version || old.weight !== weight
  })
  const set = changed.filter(({ weight }) => weight !== null)
  const unset = changed.filter(({ member, weight }) => weight === null && known.get(member)?.weight != null)
  const gone = before.filter(({ member }) => !left.has(member))
  const forgotten = gone.filter(({ weight }) => weight !== null)
  return [
    ...commands('HDEL', 'meta', gone.map(fieldOf), 1),
    ...commands(
      'HSET',
      'meta',
      changed.flatMap((one) => [fieldOf(one), `${one.version} ${one.weight ?? REMOVED}`]),
      2,
    ),
    ...commands(
      'ZREM',
      'application',
      [...unset, ...forgotten].map(({ member }) => member),
      1,
    ),
    ...commands(
      'ZADD',
      'application',
      set.flatMap(({ member, weight }) => [weight as string, member]),
      2,
    ),
  ]
}

function fieldOf({ member }: WeightedMember): string {
  return `${MEMBER}:${member}`
}

function commands(
  command: Operation['command'],
  on: Operation['on'],
  args: readonly string[],
  together: number,
): readonly Operation[] {
  return chunks(args, together).map((some) => ({ command, on, args: some }))
}

/** In pieces of which none parts what belongs together. */
function chunks(args: readonly string[], together: number): readonly (readonly string[])[] {
  const size = MAX_ARGUMENTS - (MAX_ARGUMENTS % together)
  return Array.from({ length: Math.ceil(args.length / size) }, (_, n) => args.slice(n * size, (n + 1) * size))
}
