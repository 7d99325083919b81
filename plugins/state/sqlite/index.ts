import type { Plugin } from '../../../core/index.ts'
// For the service that the store offers.
import type {} from '../../stores/sqlite/shared.ts'
import { SqliteState } from './backend.ts'
import { beside, OwnFile } from './workplace.ts'

export { SqliteState } from './backend.ts'
export { beside, OwnFile, type Workplace } from './workplace.ts'

export interface SqliteStateOptions {
  /** A file for the state alone. Without it, the state is kept in the file of the store when that is SQLite. */
  readonly path?: string
  /** Size at which a file of its own takes nothing new until there is room again, in bytes. */
  readonly maxBytes?: number
}

const DEFAULT_PATH = './slipstream-data/state.db'
const DEFAULT_MAX_BYTES = 10 * 1024 ** 3

/** Keeps state in SQLite: beside the messages when the store is SQLite too, with one backup, one budget and one disk sync. */
export function sqliteState(options: SqliteStateOptions = {}): Plugin {
  return {
    name: 'state-sqlite',
    options,
    optionsSchema: {
      type: 'object',
      properties: { path: { type: 'string', minLength: 1 }, maxBytes: { type: 'integer', minimum: 1024 ** 2 } },
      additionalProperties: false,
    },
    apply(kernel) {
      const shared = kernel.find('sqlite')
      const { path, maxBytes = DEFAULT_MAX_BYTES } = options
      const isShared = shared !== undefined && path === undefined
      const state = new SqliteState(isShared ? beside(shared) : new OwnFile(path ?? DEFAULT_PATH, maxBytes))
      if (isShared) shared.joinBy((deltas) => state.joinWithin(deltas))
      kernel.stateBackend(state)
    },
  }
}
