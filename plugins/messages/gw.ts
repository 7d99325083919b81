import { type Plugin, SHARED_SPACE, type StateEntry } from '../../core/index.ts'
import { answerFromState, type KeyRequest, keyRequestSchema } from './request.ts'

declare module '../../core/index.ts' {
  interface MessageTypes {
    GW: KeyRequest
  }
}

/** `GW`, get weighted: asks for the members that `SW` has set, with their weights. */
export function getWeighted(): Plugin {
  return {
    name: 'get-weighted',
    apply(kernel) {
      kernel.messageType('GW', {
        schema: keyRequestSchema,
        orderingKey: ({ key }) => key,
        space: SHARED_SPACE,
        answer: ({ body }, { state }) => answerFromState(state, body.key, printMembers),
      })
    },
  }
}

/** As they were published, those that are left, sorted by name. */
function printMembers(entry: StateEntry): string | undefined {
  if (entry.shape !== 'weights') return undefined
  const left = entry.members.filter(({ weight }) => weight !== null)
  return `[${left.map(({ member, weight }) => `{"member":${JSON.stringify(member)},"weight":${weight}}`).join(',')}]`
}
