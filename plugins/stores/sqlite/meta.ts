import type { Database, Statement } from './database.ts'

interface Values {
  /** Drawn once, kept for ever. */
  instance_id: string
  epoch: string
  /** The greatest `seq` that was ever given: none is given twice, even when its message is gone. */
  last_seq: number
  /** The last version stamp that the clock of the instance gave or followed. */
  last_version: string
  /** How many rows there are of these, so that nobody has to count them. */
  messages: number
  dead_letters: number
  scheduled: number
}

/** The few facts about the store itself. */
export class Meta {
  readonly #get: Statement<[string]>
  readonly #set: Statement<[string, unknown]>

  constructor(database: Database) {
    this.#get = database.prepare<[string]>('SELECT value FROM meta WHERE key = ?').pluck()
    this.#set = database.prepare(
      'INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
    )
  }

  get<Key extends keyof Values>(key: Key): Values[Key] | undefined {
    return this.#get.get(key) as Values[Key] | undefined
  }

  set<Key extends keyof Values>(key: Key, value: Values[Key]): void {
    this.#set.run(key, value)
  }
}
