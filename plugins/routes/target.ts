import { type Plugin, SELF } from '../../core/index.ts'

/**
 * A message that names a target is handled there only. Whoever knows the target sends it there; whoever does not passes it
 * on to other instances, and to no client.
 */
export function target(): Plugin {
  return {
    name: 'target',
    apply(kernel) {
      kernel.hooks.route.tap((route, { targetInstanceId }) => {
        if (targetInstanceId === undefined) return route
        const name = targetInstanceId === kernel.instanceId ? SELF : targetInstanceId
        const known = name === SELF || kernel.recipients().some((recipient) => recipient.name === name)
        return route.without('target', (recipient) => (known ? recipient.name !== name : recipient.role !== 'instance'))
      })
    },
  }
}
