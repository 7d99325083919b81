import { type Plugin, SHARED_SPACE } from '../../core/index.ts'
import { answerFromState, type KeyRequest, keyRequestSchema } from './request.ts'

declare module '../../core/index.ts' {
  interface MessageTypes {
    GK: KeyRequest
  }
}

/** `GK`, get key: asks for the value that `SK` has set. */
export function getKey(): Plugin {
  return {
    name: 'get-key',
    apply(kernel) {
      kernel.messageType('GK', {
        schema: keyRequestSchema,
        orderingKey: ({ key }) => key,
        space: SHARED_SPACE,
        answer: ({ body }, { state }) =>
          answerFromState(state, body.key, (entry) => (entry.shape === 'value' ? entry.value : undefined)),
      })
    },
  }
}
