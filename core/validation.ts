import type { Receipt } from './events.ts'
import { Stage } from './plugin.ts'
import type { Received } from './protocol/received.ts'
import type { TypeRegistry } from './type-registry.ts'

/**
 * The kernel's own tap of `onReceive`: a message must fit the schema of its type. A type that no plugin here knows may not
 * enter here, but one that another instance has let in passes through.
 */
export function validation(types: TypeRegistry) {
  const validate = (received: Received): Receipt | undefined => {
    const { type } = received
    const reason = types.fault(received)
    if (reason !== undefined) return { status: 'refused', code: 'INVALID_MESSAGE', reason }
    if (types.knows(type) || !received.entersHere) return undefined
    return { status: 'refused', code: 'UNKNOWN_TYPE', reason: 'no plugin of this instance knows this type' }
  }
  return [{ name: 'kernel', stage: Stage.VALIDATE }, validate] as const
}
