import { slipstreamError } from '../../../core/index.ts'
import { type Database, pragmaNumber } from './database.ts'

/** Each step as it was released; what has been released is never changed, a change is a step more. */
const STEPS: readonly string[] = [
  `
  CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value ANY
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE message (
    seq              INTEGER PRIMARY KEY,
    message_id       TEXT NOT NULL,
    cluster_group_id TEXT NOT NULL,
    superseded       INTEGER NOT NULL DEFAULT 0, -- own seq, once another message took the id after its time
    type             TEXT NOT NULL,
    origin           TEXT NOT NULL,
    epoch            TEXT NOT NULL,
    n                INTEGER NOT NULL,
    version          TEXT,
    ordering_key     TEXT,
    publisher        TEXT,
    path             TEXT NOT NULL,              -- JSON array
    text             TEXT NOT NULL,
    fingerprint      TEXT NOT NULL,
    received_at      INTEGER NOT NULL,           -- milliseconds since the epoch
    recipients       INTEGER NOT NULL,           -- how many it had when it was stored
    checksum         INTEGER NOT NULL,
    UNIQUE (message_id, cluster_group_id, superseded)
  ) STRICT;

  CREATE TABLE recipient (
    key              INTEGER PRIMARY KEY AUTOINCREMENT,
    name             TEXT NOT NULL UNIQUE,
    role             TEXT NOT NULL,
    tags             TEXT NOT NULL,              -- JSON array
    cluster_group_id TEXT,
    url              TEXT
  ) STRICT;

  -- Pending deliveries only: a settled one is deleted.
  CREATE TABLE delivery (
    recipient INTEGER NOT NULL REFERENCES recipient (key),
    seq       INTEGER NOT NULL,
    attempts  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (recipient, seq)
  ) STRICT, WITHOUT ROWID;

  -- What was stored of each sequence, as intervals that neither overlap nor touch.
  CREATE TABLE seen (
    origin TEXT NOT NULL,
    epoch  TEXT NOT NULL,
    first  INTEGER NOT NULL,
    last   INTEGER NOT NULL,
    PRIMARY KEY (origin, epoch, first)
  ) STRICT, WITHOUT ROWID;
  `,
]

/** Brings the schema up to date in one transaction, or refuses one that is newer than this code (`SLP_STORE_NEWER`). */
export function migrate(database: Database): void {
  const found = pragmaNumber(database, 'user_version')
  if (found > STEPS.length) throw slipstreamError('SLP_STORE_NEWER', [found, STEPS.length])
  const apply = database.transaction(() => {
    for (const step of STEPS.slice(found)) database.exec(step)
    database.pragma(`user_version = ${STEPS.length}`)
  })
  apply.immediate()
}
