import { existsSync } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { Instance } from './instance.ts'
import type { Stage } from './stage.ts'

/** Ids of the messages in the file of an instance that does not run. A copy is read: the file stays as it was left. */
export async function storedIds(stage: Stage, { name, storagePath }: Instance): Promise<ReadonlySet<string>> {
  const copy = join(await stage.subfolder(`${name}-copy`), 'bus.db')
  for (const suffix of ['', '-wal'])
    if (existsSync(storagePath + suffix)) await copyFile(storagePath + suffix, copy + suffix)
  const database = new Database(copy)
  try {
    return new Set(database.prepare('SELECT message_id FROM message').pluck().all() as string[])
  } finally {
    database.close()
  }
}
