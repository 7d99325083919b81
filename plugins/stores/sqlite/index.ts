import { type Plugin, PUBLISHER_IDS } from '../../../core/index.ts'
import { type RememberOptions, rememberMs, rememberSchema } from '../repetition.ts'
import { SqliteStore } from './store.ts'

export type { SharedDatabase } from './shared.ts'
export { SqliteStore, type SqliteStoreOptions } from './store.ts'

declare module '../../../core/index.ts' {
  interface Settings {
    /** The SQLite file; goes before the option of the plugin (`SLIPSTREAM_STORAGE_PATH`). */
    readonly storagePath?: string
  }
}

export interface SqliteOptions extends RememberOptions {
  /** The file. Its folder is made when it is missing. */
  readonly path?: string
  /** Size at which the file takes nothing new until there is room again, in bytes. */
  readonly maxBytes?: number
}

const DEFAULT_PATH = './slipstream-data/slipstream.db'
const DEFAULT_MAX_BYTES = 10 * 1024 ** 3

/** Keeps messages in one SQLite file: nothing is acknowledged before it would survive a power cut. */
export function sqlite(options: SqliteOptions = {}): Plugin {
  return {
    name: 'store-sqlite',
    options,
    optionsSchema: {
      type: 'object',
      properties: {
        path: { type: 'string', minLength: 1 },
        maxBytes: { type: 'integer', minimum: 1024 ** 2 },
        ...rememberSchema,
      },
      additionalProperties: false,
    },
    apply(kernel) {
      const path = kernel.settings.storagePath ?? options.path ?? DEFAULT_PATH
      const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES
      const store = new SqliteStore({ ...options, path, maxBytes, log: kernel.log })
      kernel.windows.remembers(PUBLISHER_IDS, rememberMs(options), 'rememberIdsHours')
      kernel.store(store)
      kernel.provide('sqlite', store.shared)
    },
  }
}
