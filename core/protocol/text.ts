import type { Member } from './scan.ts'

/** A message's text without some of its members. All others keep their bytes, their order and the space between them. */
export function withoutMembers(text: string, members: ReadonlyMap<string, Member>, cut: ReadonlySet<string>): string {
  let kept = ''
  let run: { start: number; end: number } | undefined
  for (const [name, member] of members) {
    if (cut.has(name)) {
      if (run) kept += `${text.slice(run.start, run.end)},`
      run = undefined
    } else if (run) {
      run.end = member.end
    } else {
      run = { start: member.start, end: member.end }
    }
  }
  return run ? `{${kept}${text.slice(run.start, run.end)}}` : `{${kept.slice(0, -1)}}`
}

/** The text with members added behind its own: `,"name":value` each. */
export function withMembers(text: string, added: string): string {
  return text === '{}' ? `{${added.slice(1)}}` : `${text.slice(0, -1)}${added}}`
}

/** One more member for `withMembers`. */
export function member(name: string, value: string): string {
  return `,"${name}":${JSON.stringify(value)}`
}
