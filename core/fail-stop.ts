import type { Store } from './store.ts'

/**
 * The store, watched: whoever first meets an error after which it cannot be trusted (a purge, a reader, an operator), `lost`
 * is told. Waiting for the next message to fail would leave an instance up that can no longer keep anything.
 */
export function failStop(store: Store, lost: (error: Error) => void): Store {
  const told = (error: unknown): never => {
    if ((error as { code?: unknown }).code === 'SLP_STORE_LOST') lost(error as Error)
    throw error
  }
  const watched = (name: PropertyKey) => {
    return (...args: unknown[]): unknown => {
      try {
        const result = Reflect.apply(Reflect.get(store, name, store), store, args)
        return result instanceof Promise ? result.catch(told) : result
      } catch (error) {
        return told(error)
      }
    }
  }
  const methods = new Map<PropertyKey, unknown>()
  return new Proxy(store, {
    get(_, name) {
      const member: unknown = Reflect.get(store, name, store)
      if (typeof member !== 'function') return member
      if (!methods.has(name)) methods.set(name, watched(name))
      return methods.get(name)
    },
  })
}
