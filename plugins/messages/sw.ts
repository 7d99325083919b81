import {
  linkLimits,
  type MemberChange,
  type Plugin,
  ProtocolFault,
  type Received,
  SHARED_SPACE,
  scanItems,
  scanMembers,
} from '../../core/index.ts'
import { keyOf } from './key.ts'

declare module '../../core/index.ts' {
  interface MessageTypes {
    SW: SetWeighted
  }
}

interface SetWeighted {
  key: string
  value: readonly { member: string; weight: number | null }[]
}

/**
 * `SW`, set weighted: sets the weights of these members of the key on every instance the message is for; null removes a
 * member. Of each member the newest write counts, whatever is written of the others.
 */
export function setWeighted(): Plugin {
  return {
    name: 'set-weighted',
    apply(kernel) {
      kernel.messageType('SW', {
        schema: {
          type: 'object',
          required: ['key', 'value'],
          properties: {
            key: { type: 'string', minLength: 1, maxLength: 512 },
            value: {
              type: 'array',
              maxItems: 10_000,
              items: {
                type: 'object',
                required: ['member', 'weight'],
                properties: {
                  member: { type: 'string', minLength: 1, maxLength: 512 },
                  weight: { type: ['number', 'null'] },
                },
                additionalProperties: false,
              },
            },
          },
        },
        check: repeated,
        orderingKey: ({ key }) => key,
        space: SHARED_SPACE,
        change: (message) => ({
          message,
          key: keyOf(message),
          shape: 'weights',
          members: membersIn(message.raw('value') as string),
        }),
      })
    },
  }
}

/** A member that is set twice, or an item that says something twice: readers would disagree about what holds. */
function repeated({ body, text, members }: Received<SetWeighted>): string | undefined {
  const named = new Set<string>()
  for (const [index, { member }] of body.value.entries()) {
    if (named.has(member)) return `/value/${index}/member must be another one than those before it`
    named.add(member)
  }
  const { valueStart, end } = members.get('value') ?? { valueStart: 0, end: 0 }
  try {
    membersIn(text.slice(valueStart, end))
    return undefined
  } catch (error) {
    if (error instanceof ProtocolFault) return '/value holds an item in which a member stands twice'
    throw error
  }
}

/** What the text says, weights as they were written: a number that is parsed and printed again may be another one. */
function membersIn(value: string): readonly MemberChange[] {
  return scanItems(value, linkLimits.maxDepth).map((item) => {
    const places = scanMembers(item, linkLimits.maxDepth)
    const rawOf = (name: string) => {
      const { valueStart, end } = places.get(name) as { valueStart: number; end: number }
      return item.slice(valueStart, end)
    }
    const weight = rawOf('weight')
    return { member: JSON.parse(rawOf('member')) as string, weight: weight === 'null' ? null : weight }
  })
}
