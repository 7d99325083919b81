/** What a message says of a set. */
export interface SetChange {
  readonly key: string
  /** A member to add. The id of the message is the name of this addition. */
  readonly add?: string
  /** Additions to take back, by their names: those that whoever removes the member has seen. */
  readonly remove?: readonly string[]
}

/** Members, each with the names of the additions that hold it there. */
export type Additions = Readonly<Record<string, readonly string[]>>

/** A set as it is kept: what was added and is still there, and the names of what was taken back. Both are sorted by name. */
type Kept = readonly [added: readonly (readonly [name: string, member: string])[], removed: readonly string[]]

const EMPTY = '[[],[]]'

/** What one message makes of an empty set. */
export function change(messageId: string, { add, remove = [] }: SetChange): string {
  return textOf(new Map(add === undefined ? [] : [[messageId, add]]), new Set(remove))
}

/** A name stands for one addition, and one that is taken back stays so: the union of both, in whatever order. */
export function join(one: string, other: string): string {
  const [added, removed] = JSON.parse(one) as Kept
  const [alsoAdded, alsoRemoved] = JSON.parse(other) as Kept
  return textOf(new Map([...added, ...alsoAdded]), new Set([...removed, ...alsoRemoved]))
}

/** The text of an entry of the state, or of an empty set. */
export function read(entry: object | undefined): string {
  return entry && 'value' in entry ? (entry.value as string) : EMPTY
}

export function membersOf(text: string): Additions {
  const members = new Map<string, string[]>()
  for (const [name, member] of (JSON.parse(text) as Kept)[0]) {
    members.set(member, [...(members.get(member) ?? []), name])
  }
  return Object.fromEntries([...members].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** One text for one set, to the byte. */
function textOf(added: ReadonlyMap<string, string>, removed: ReadonlySet<string>): string {
  const left = [...added].filter(([name]) => !removed.has(name))
  return JSON.stringify([left.sort(([a], [b]) => (a < b ? -1 : 1)), [...removed].sort()] satisfies Kept)
}
