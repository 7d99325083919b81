import type { Plugin } from '../../core/index.ts'

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
        if (targetInstanceId === kernel.instanceId) return route.without('target', ({ role }) => role !== 'self')
        const known = kernel.recipients().some(({ name }) => name === targetInstanceId)
        return route.without('target', ({ name, role }) => (known ? name !== targetInstanceId : role !== 'instance'))
      })
    },
  }
}
