import type { Plugin } from '../../core/index.ts'

/** A message that targets tags goes only where at least one of them is reachable; one that targets none goes everywhere. */
export function tags(): Plugin {
  return {
    name: 'tags',
    apply(kernel) {
      kernel.hooks.route.tap((route, { targetedTags }) => {
        if (targetedTags.length === 0) return route
        return route.without('tags', (recipient) => !targetedTags.some((tag) => recipient.tags.has(tag)))
      })
    },
  }
}
