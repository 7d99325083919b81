import type { Kernel, Message } from '../../../core/index.ts'

/**
 * Whether another instance of this one's cluster group runs a command that is for both: of those that are linked with each
 * other, the one with the smallest id does. They are taken for bearing the same tags and the same permissions, as instances do
 * that stand side by side; those that are not linked do not know of each other, and each runs it.
 */
export function isAnothers(message: Pick<Message, 'targetInstanceId' | 'targetedTags'>, kernel: Kernel): boolean {
  const { instanceId, settings, links } = kernel
  const { targetInstanceId, targetedTags } = message
  const group = settings.clusterGroupId
  if (group === undefined || targetInstanceId !== undefined) return false
  return links().some(({ role, connection: { remote }, recipient }) => {
    const isMember = role === 'instance' && remote.clusterGroupId === group && remote.instanceId !== undefined
    if (!isMember || (remote.instanceId as string) > instanceId) return false
    return targetedTags.length === 0 || targetedTags.some((tag) => recipient?.tags.has(tag))
  })
}
