import type { Database, Statement } from '../../stores/sqlite/database.ts'

/** Texts that are kept beside the entries. */
export class Notes {
  readonly #read: Statement<[string], string>
  readonly #keep: Statement<[string, string]>

  constructor(database: Database) {
    this.#read = database.prepare<[string], string>('SELECT text FROM state_note WHERE name = ?').pluck()
    this.#keep = database.prepare(
      'INSERT INTO state_note VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET text = excluded.text',
    )
  }

  read(name: string): string | undefined {
    return this.#read.get(name)
  }

  keep(name: string, text: string): void {
    this.#keep.run(name, text)
  }
}
