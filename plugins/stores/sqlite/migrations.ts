import { slipstreamError } from '../../../core/index.ts'
import { type Database, pragmaNumber } from './database.ts'
import { keyHashOf } from './lanes.ts'

/** Each step as it was released; what has been released is never changed, a change is a step more. */
export const STEPS: readonly string[] = [
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
  `
  ALTER TABLE message ADD COLUMN expires_at INTEGER; -- milliseconds since the epoch

  -- Attempts by cause, and when the next one may be made.
  ALTER TABLE delivery RENAME COLUMN attempts TO sends;
  ALTER TABLE delivery ADD COLUMN nacks       INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE delivery ADD COLUMN timeouts    INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE delivery ADD COLUMN disconnects INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE delivery ADD COLUMN due_at      INTEGER NOT NULL DEFAULT 0;

  -- targeted = acked + pending + dead + collapsed + forgotten, in every row at every commit.
  CREATE TABLE ledger (
    recipient INTEGER PRIMARY KEY,               -- key of a recipient that is or was remembered
    name      TEXT NOT NULL,
    targeted  INTEGER NOT NULL DEFAULT 0,
    acked     INTEGER NOT NULL DEFAULT 0,
    pending   INTEGER NOT NULL DEFAULT 0,
    dead      INTEGER NOT NULL DEFAULT 0,
    collapsed INTEGER NOT NULL DEFAULT 0,
    forgotten INTEGER NOT NULL DEFAULT 0
  ) STRICT;

  INSERT INTO ledger (recipient, name, targeted, pending)
    SELECT key, name, count(seq), count(seq) FROM recipient LEFT JOIN delivery ON recipient = key GROUP BY key;
  INSERT INTO meta SELECT 'messages', count(*) FROM message;

  CREATE TABLE dead_letter (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    recipient      INTEGER NOT NULL REFERENCES ledger (recipient),
    seq            INTEGER,                      -- NULL for the summary of a forgotten recipient
    reason         TEXT NOT NULL,
    error          TEXT NOT NULL,
    sends          INTEGER NOT NULL,
    nacks          INTEGER NOT NULL,
    timeouts       INTEGER NOT NULL,
    disconnects    INTEGER NOT NULL,
    plugin         TEXT NOT NULL,
    plugin_version TEXT,
    died_at        INTEGER NOT NULL,             -- milliseconds since the epoch
    count          INTEGER NOT NULL              -- how many deliveries it stands for
  ) STRICT;

  CREATE INDEX dead_letter_recipient ON dead_letter (recipient);
  CREATE INDEX dead_letter_seq ON dead_letter (seq);
  CREATE INDEX dead_letter_died_at ON dead_letter (died_at);
  `,
  `
  ALTER TABLE recipient ADD COLUMN last_seen_at INTEGER; -- milliseconds since the epoch
  `,
  `
  -- The number under which a recipient's deliveries stand. Those under a number of nobody are forgotten.
  CREATE TABLE queue (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    recipient INTEGER UNIQUE REFERENCES recipient (key) ON DELETE SET NULL
  ) STRICT;

  INSERT INTO queue SELECT key, key FROM recipient;

  CREATE TABLE queued (
    queue       INTEGER NOT NULL REFERENCES queue (number),
    seq         INTEGER NOT NULL,
    sends       INTEGER NOT NULL DEFAULT 0,
    nacks       INTEGER NOT NULL DEFAULT 0,
    timeouts    INTEGER NOT NULL DEFAULT 0,
    disconnects INTEGER NOT NULL DEFAULT 0,
    due_at      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (queue, seq)
  ) STRICT, WITHOUT ROWID;

  INSERT INTO queued SELECT recipient, seq, sends, nacks, timeouts, disconnects, due_at FROM delivery;
  DROP TABLE delivery;
  ALTER TABLE queued RENAME TO delivery;
  `,
  `
  -- Messages that wait for their time. Their keys are never given twice: a release names the one that it replaces.
  CREATE TABLE scheduled (
    key              INTEGER PRIMARY KEY AUTOINCREMENT,
    due_at           INTEGER NOT NULL,           -- milliseconds since the epoch
    message_id       TEXT NOT NULL,
    cluster_group_id TEXT NOT NULL,
    type             TEXT NOT NULL,
    path             TEXT NOT NULL,              -- JSON array
    text             TEXT NOT NULL,
    publisher        TEXT,
    fingerprint      TEXT NOT NULL,
    recipients       INTEGER NOT NULL,           -- how many it would have had when it was accepted
    checksum         INTEGER NOT NULL,
    altered_at       INTEGER                     -- when it was found altered, and set aside
  ) STRICT;

  CREATE UNIQUE INDEX scheduled_id ON scheduled (message_id, cluster_group_id) WHERE altered_at IS NULL;
  CREATE INDEX scheduled_due_at ON scheduled (due_at) WHERE altered_at IS NULL;
  CREATE INDEX scheduled_altered_at ON scheduled (altered_at) WHERE altered_at IS NOT NULL;
  `,
  `
  CREATE TABLE replay (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at   INTEGER NOT NULL,               -- milliseconds since the epoch
    asked_by     TEXT NOT NULL,
    filter       TEXT NOT NULL,                  -- JSON object
    per_second   INTEGER NOT NULL,
    max_failures INTEGER NOT NULL DEFAULT 0,
    total        INTEGER NOT NULL DEFAULT 0,
    replayed     INTEGER NOT NULL DEFAULT 0,
    failed       INTEGER NOT NULL DEFAULT 0,
    superseded   INTEGER NOT NULL DEFAULT 0,
    skipped      INTEGER NOT NULL DEFAULT 0,
    state        TEXT NOT NULL DEFAULT 'waiting',
    reason       TEXT,
    ended_at     INTEGER                         -- milliseconds since the epoch
  ) STRICT;

  -- The unfinished job that has selected the dead letter, and the job that revived the delivery.
  ALTER TABLE dead_letter ADD COLUMN replay INTEGER;
  ALTER TABLE delivery ADD COLUMN replay INTEGER;
  CREATE INDEX dead_letter_replay ON dead_letter (replay, seq) WHERE replay IS NOT NULL;
  `,
  `
  -- In which lane a delivery is read, and by what those of one ordering key are found. Lanes are made with their indexes
  -- when the first message of another priority comes.
  ALTER TABLE delivery ADD COLUMN lane     INTEGER NOT NULL DEFAULT 4;
  ALTER TABLE delivery ADD COLUMN key_hash INTEGER; -- NULL without an ordering key
  UPDATE delivery SET key_hash = (SELECT key_hash(ordering_key) FROM message WHERE message.seq = delivery.seq);

  ALTER TABLE dead_letter ADD COLUMN lane INTEGER NOT NULL DEFAULT 4;
  `,
  `
  ALTER TABLE recipient ADD COLUMN subscription TEXT; -- JSON object; NULL: everything that is for it
  `,
  `
  -- Effects of messages that happen at most once: claimed before they begin.
  CREATE TABLE execution (
    message_id  TEXT NOT NULL UNIQUE,
    fingerprint TEXT NOT NULL,
    name        TEXT NOT NULL,
    publisher   TEXT,
    via         TEXT,
    claimed_at  INTEGER NOT NULL,                -- milliseconds since the epoch
    finished_at INTEGER,                         -- NULL as long as nothing came of it
    outcome     TEXT,
    text        TEXT,                            -- JSON
    checksum    INTEGER                          -- of outcome and text
  ) STRICT;

  CREATE INDEX execution_open ON execution (claimed_at) WHERE finished_at IS NULL;
  CREATE INDEX execution_finished_at ON execution (finished_at) WHERE finished_at IS NOT NULL;
  `,
]

/** Brings the schema up to date in one transaction, or refuses one that is newer than this code (`SLP_STORE_NEWER`). */
export function migrate(database: Database): void {
  const found = pragmaNumber(database, 'user_version')
  if (found > STEPS.length) throw slipstreamError('SLP_STORE_NEWER', [found, STEPS.length])
  database.function('key_hash', (orderingKey) => keyHashOf(orderingKey as string | null))
  const apply = database.transaction(() => {
    for (const step of STEPS.slice(found)) database.exec(step)
    database.pragma(`user_version = ${STEPS.length}`)
  })
  apply.immediate()
}
