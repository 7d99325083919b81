import { slipstreamError } from '../../../core/index.ts'
import type { Database } from '../../stores/sqlite/database.ts'

/** Each step as it was released; what has been released is never changed, a change is a step more. */
const STEPS: readonly string[] = [
  `
  CREATE TABLE state_figure (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE state (
    id      INTEGER PRIMARY KEY,
    bucket  INTEGER NOT NULL,
    space   TEXT NOT NULL,
    key     TEXT NOT NULL,
    shape   TEXT NOT NULL,
    version TEXT NOT NULL,
    floor   TEXT NOT NULL,           -- of weights; else ''
    live    INTEGER NOT NULL,        -- how many values or members can be read
    size    INTEGER NOT NULL,        -- of the value or of all members, about, in bytes
    high    INTEGER NOT NULL,        -- digest, two times 32 bits
    low     INTEGER NOT NULL,
    value   TEXT,                    -- JSON; NULL for weights and tombstones
    UNIQUE (bucket, space, key)
  ) STRICT;

  CREATE TABLE state_member (
    id      INTEGER NOT NULL REFERENCES state (id),
    member  TEXT NOT NULL,
    weight  TEXT,                    -- JSON number; NULL: removed
    version TEXT NOT NULL,
    PRIMARY KEY (id, member)
  ) STRICT, WITHOUT ROWID;

  -- What may be forgotten one day, by age.
  CREATE INDEX state_tombstone ON state (version) WHERE shape = 'tombstone';
  CREATE INDEX state_floor ON state (floor) WHERE floor <> '';
  CREATE INDEX state_removed ON state_member (version) WHERE weight IS NULL;

  -- XOR of the digests of all entries in a bucket.
  CREATE TABLE state_bucket (
    bucket INTEGER PRIMARY KEY,
    high   INTEGER NOT NULL,
    low    INTEGER NOT NULL
  ) STRICT;
  `,
  `
  CREATE TABLE state_note (
    name TEXT PRIMARY KEY,
    text TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
]

/**
 * Brings the tables of the state up to date, whatever else is in the file, or refuses those that are newer than this code
 * (`SLP_STORE_NEWER`). Within a transaction.
 */
export function migrate(database: Database): void {
  const found = schemaOf(database)
  if (found > STEPS.length) throw slipstreamError('SLP_STORE_NEWER', [found, STEPS.length])
  if (found === STEPS.length) return
  for (const step of STEPS.slice(found)) database.exec(step)
  database
    .prepare("INSERT INTO state_figure VALUES ('schema', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
    .run(STEPS.length)
}

function schemaOf(database: Database): number {
  const isThere = database.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'state_figure'").get()
  if (!isThere) return 0
  return database.prepare("SELECT value FROM state_figure WHERE name = 'schema'").pluck().get() as number
}
