import type { Message } from '../../../core/index.ts'

export type CommandBody = {
  command: string
  args?: unknown
  timeoutMs?: number
}

export type CommandMessage = Message<CommandBody>

/** The name of the client that published it; undefined when it has none: its path begins with an instance, or is empty. */
export function publisherOf({
  path,
  originInstanceId,
}: Pick<Message, 'path' | 'originInstanceId'>): string | undefined {
  const [first] = path
  return first === originInstanceId ? undefined : first
}

/** Who passed it on to this instance, and is told what came of it; undefined for a client without a name. */
export function viaOf({ path }: Pick<Message, 'path'>): string | undefined {
  return path.at(-1)
}
