import {
  type Answer,
  type BodySchema,
  type Consistency,
  SHARED_SPACE,
  type StateEntry,
  type StateReader,
} from '../../core/index.ts'

/** What the types that ask for a key have in common. */
export interface KeyRequest {
  key: string
  timeoutMs?: number
  consistency?: Consistency
}

const MAX_TIMEOUT_MS = 60_000

export const keyRequestSchema: BodySchema<KeyRequest> = {
  type: 'object',
  required: ['key'],
  properties: {
    key: { type: 'string', minLength: 1, maxLength: 512 },
    timeoutMs: { type: 'integer', minimum: 1, maximum: MAX_TIMEOUT_MS },
    consistency: { type: 'string', enum: ['local', 'first', 'newest', 'all'] },
  },
}

/**
 * What is known of the key here. `textOf` gives the JSON text of an entry of the shape that was asked for; of any other, and of a
 * deleted key, there is no value, but its version tells that this is so.
 */
export async function answerFromState(
  state: StateReader | undefined,
  key: string,
  textOf: (entry: StateEntry) => string | undefined,
): Promise<Answer | undefined> {
  const [entry] = (await state?.read([{ space: SHARED_SPACE, key }])) ?? []
  return entry && { value: textOf(entry) ?? 'null', version: entry.version }
}
