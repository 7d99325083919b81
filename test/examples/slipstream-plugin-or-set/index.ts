import type { BodySchema, Plugin } from 'slipstream'
import { change, join, membersOf, read, type SetChange } from './or-set.ts'

export { type Additions, membersOf, type SetChange } from './or-set.ts'

declare module 'slipstream' {
  interface MessageTypes {
    'or.set': SetChange
    'or.members': { key: string }
  }
}

const SPACE = 'or.set'

export interface OrSetOptions {
  /** Called with the members of a key when they may have changed here. */
  readonly onChange?: (key: string, members: readonly string[]) => void
}

/**
 * Sets that several clouds add to and remove from at once (observed-remove sets; Shapiro and others, 2011): who removes a member
 * removes what it has seen of it, so an addition that it has not seen stays. `or.set` changes a set, `or.members` asks for it.
 */
export default function orSet(options: OrSetOptions = {}): Plugin {
  const { onChange } = options
  return {
    name: 'slipstream-plugin-or-set',
    version: '1.0.0',
    slipstream: '^1.0.0',
    options,
    optionsSchema: { type: 'object', properties: { onChange: {} }, additionalProperties: false },
    apply(kernel) {
      kernel.messageType('or.set', {
        schema: changeSchema,
        orderingKey: ({ key }) => key,
        space: SPACE,
        join,
        async apply(messages, { state }) {
          await state.join(
            messages.map((message) => {
              const { messageId, body } = message
              return { message, key: body.key, shape: 'own', value: change(messageId, body) }
            }),
          )
          for (const key of new Set(messages.map(({ body }) => body.key))) {
            onChange?.(key, Object.keys(membersOf(read(await state.read(key)))))
          }
        },
      })
      kernel.messageType('or.members', {
        schema: { type: 'object', required: ['key'], properties: { key: keySchema } },
        orderingKey: ({ key }) => key,
        space: SPACE,
        async answer({ body: { key } }, { state }) {
          const [entry] = (await state?.read([{ space: SPACE, key }])) ?? []
          return entry && { value: JSON.stringify(membersOf(read(entry))), version: entry.version }
        },
      })
    },
  }
}

const keySchema = { type: 'string', minLength: 1, maxLength: 512 } as const

const changeSchema: BodySchema<SetChange> = {
  type: 'object',
  required: ['key'],
  properties: {
    key: keySchema,
    add: { type: 'string', minLength: 1, maxLength: 512 },
    remove: { type: 'array', maxItems: 1_000, items: { type: 'string', pattern: '^[A-Za-z0-9._:-]{1,128}$' } },
  },
  additionalProperties: true,
}
