import type { Plugin } from '../../core/index.ts'

/**
 * No message goes back to where it came from, nor to anyone it has passed: the cheap first guard against loops. (The truth
 * about copies that take different ways is the store's deduplication.)
 */
export function path(): Plugin {
  return {
    name: 'path',
    apply(kernel) {
      kernel.hooks.route.tap((route, message) => {
        const { path } = message
        return path.length === 0 ? route : route.without('passed', ({ name }) => path.includes(name))
      })
    },
  }
}
