import type { Message } from '../../core/index.ts'

/** The key of a state message, without parsing its value as well. */
export function keyOf({ raw }: Pick<Message, 'raw'>): string {
  const text = raw('key') as string
  return text.includes('\\') ? (JSON.parse(text) as string) : text.slice(1, -1)
}
