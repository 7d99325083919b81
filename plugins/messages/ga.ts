import { type Plugin, SHARED_SPACE } from '../../core/index.ts'
import { answerFromState, type KeyRequest, keyRequestSchema } from './request.ts'

declare module '../../core/index.ts' {
  interface MessageTypes {
    GA: KeyRequest
  }
}

/** `GA`, get array: asks for the array that `SA` has set. */
export function getArray(): Plugin {
  return {
    name: 'get-array',
    apply(kernel) {
      kernel.messageType('GA', {
        schema: keyRequestSchema,
        orderingKey: ({ key }) => key,
        space: SHARED_SPACE,
        answer: ({ body }, { state }) =>
          answerFromState(state, body.key, (entry) => (entry.shape === 'array' ? entry.value : undefined)),
      })
    },
  }
}
