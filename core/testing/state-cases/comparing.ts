import assert from 'node:assert/strict'
import { bucketOf, digestOf } from '../../state/digest.ts'
import { weightsOf } from '../../state/join.ts'
import { BUCKETS, SHARED_SPACE, type StateEntry } from '../../state.ts'
import { array, at, deleted, letters, type TryingState, value, weights } from '../state-trial.ts'

const MANY = Array.from({ length: 50 }, (_, n) => value(`key-${n}`, 1))

/** Digests, and reading by bucket and page. */
export const comparingCases: Readonly<Record<string, TryingState>> = {
  async 'has a digest for each bucket, of all entries in it'(trial) {
    const backend = await trial.open()
    assert.equal((await backend.digests()).length, BUCKETS)
    assert.deepEqual(await trial.digests(), new Map())
    const entries = [...MANY, weights('members', 1, { a: '1', b: null }), letters('word', 1, 'ab')]
    await trial.join(...entries)
    assert.deepEqual(await trial.digests(), digestsOf(entries))
    await trial.reopen()
    assert.deepEqual(await trial.digests(), digestsOf(entries))
  },

  async 'changes a digest with the value, the version and the shape, and back again'(trial) {
    const backend = await trial.open()
    const first = value('key', 1, '["a"]')
    await trial.join(first)
    for (const next of [value('key', 1, '"else"'), value('key', 2, '["a"]'), array('key', 1, '["a"]')]) {
      assert.equal(await backend.swap(first, next), true)
      assert.deepEqual(await trial.digests(), digestsOf([next]))
      assert.equal(await backend.swap(next, first), true)
      assert.deepEqual(await trial.digests(), digestsOf([first]))
    }
  },

  async 'counts neither tombstones nor removed members nor floors into digests'(trial) {
    await trial.open()
    await trial.join(value('key', 1), weights('members', 2, { a: '1', b: '1' }), weights('emptied', 1, { a: '1' }))
    await trial.join(
      deleted('key', 2),
      deleted('members', 1),
      weights('members', 3, { a: null }),
      weights('emptied', 2, { a: null }),
    )
    assert.deepEqual(await trial.digests(), digestsOf([weights('members', 2, { b: '1' })]))
  },

  async 'tells two keys apart that have exchanged their values'(trial) {
    await trial.open()
    const bucket = bucketOf(value('key-0', 1))
    const neighbour = Array.from({ length: BUCKETS * 20 }, (_, n) => `n${n}`).find(
      (key) => bucketOf(value(key, 1)) === bucket,
    )
    assert.ok(neighbour)
    await trial.join(value('key-0', 1, '1'), value(neighbour, 1, '2'))
    const before = await trial.digests()
    await trial.join(value('key-0', 2, '2'), value(neighbour, 2, '1'))
    assert.notDeepEqual(await trial.digests(), before)
  },

  async 'gives all entries once, tombstones among them, in pages'(trial) {
    const backend = await trial.open()
    const entries = [...MANY, deleted('gone', 1), weights('members', 1, { a: '1', b: null }), letters('key-1', 1, 'a')]
    await trial.join(...entries)
    for (const limit of [
      { entries: 7, bytes: 1_000_000 },
      { entries: 1_000, bytes: 300 },
      { entries: 1, bytes: 1 },
    ]) {
      assert.deepEqual(sorted(await trial.all(limit)), sorted(entries))
      assert.ok((await backend.scan(undefined, limit)).length <= limit.entries)
    }
    assert.ok((await backend.scan(undefined, { entries: 1_000, bytes: 300 })).length < entries.length)
  },

  async 'gives the entries of some buckets once, tombstones among them, in pages'(trial) {
    await trial.open()
    const entries = [...MANY, deleted('gone', 1), weights('members', 1, { a: '1' }), letters('key-1', 1, 'a')]
    await trial.join(...entries)
    const buckets = [...new Set(['gone', 'members', 'key-3', 'key-9'].map((key) => bucketOf(value(key, 1))))]
    const expected = entries.filter((entry) => buckets.includes(bucketOf(entry)))
    for (const limit of [
      { entries: 1_000, bytes: 1_000_000 },
      { entries: 1, bytes: 1_000 },
    ]) {
      assert.deepEqual(sorted(await trial.allIn(buckets, limit)), sorted(expected))
    }
    assert.deepEqual(await trial.allIn([]), [])
  },

  async 'counts keys, tombstones and bytes'(trial) {
    const backend = await trial.open()
    assert.deepEqual(backend.statistics(), { keys: 0, tombstones: 0, bytes: 0 })
    await trial.join(
      value('one', 1),
      value('two', 1),
      weights('members', 1, { a: '1', b: '1' }),
      letters('word', 1, 'a'),
    )
    const { bytes } = backend.statistics()
    assert.ok(bytes > 0)
    await trial.join(deleted('two', 2), weights('members', 2, { a: null }), value('one', 2, `"${'x'.repeat(1_000)}"`))
    const { keys, tombstones, bytes: more } = backend.statistics()
    assert.deepEqual({ keys, tombstones }, { keys: 3, tombstones: 2 })
    assert.ok(more > bytes + 900 && more < bytes + 1_200, `${bytes} and then ${more}`)
    await trial.join(deleted('one', 3), value('members', 3))
    assert.deepEqual({ ...backend.statistics(), bytes: 0 }, { keys: 2, tombstones: 2, bytes: 0 })
    const before = backend.statistics()
    await trial.reopen()
    assert.deepEqual(trial.backend.statistics(), before)
  },

  async 'gives what remembers something gone, each once'(trial) {
    await trial.open()
    const remembering = [
      ...[deleted('gone', 1), weights('removed', 2, { a: '1', b: null }), weights('emptied', 2, { a: null })],
      ...Array.from({ length: 20 }, (_, n) => deleted(`gone-${n}`, 1)),
    ]
    await trial.join(...MANY, ...remembering, deleted('floored', 1), weights('members', 1, { a: '1' }))
    await trial.join(weights('floored', 2, { a: '1' }))
    const keys: string[] = []
    for await (const { key } of trial.backend.remembered()) keys.push(key)
    assert.deepEqual(keys.sort(), [...remembering.map(({ key }) => key), 'floored'].sort())
  },

  async 'forgets tombstones, removed members and floors from before a version, and the digests stay'(trial) {
    const backend = await trial.open()
    await trial.join(
      ...[deleted('old', 1), deleted('young', 5), value('kept', 1)],
      ...[weights('members', 2, { a: '1', b: null }), weights('members', 5, { c: null })],
      ...[weights('emptied', 2, { a: null }), deleted('floored', 1), weights('floored', 2, { a: '1' })],
      ...[weights('shrunk', 1, { a: '1' }), weights('shrunk', 2, { b: null })],
    )
    const before = await trial.digests()
    assert.equal(await backend.purgeTombstones(at(3), 100), 5)
    assert.deepEqual(await trial.digests(), before)
    assert.equal(await trial.read('old'), undefined)
    assert.equal(await trial.read('emptied'), undefined)
    assert.deepEqual(await trial.read('young'), deleted('young', 5))
    assert.deepEqual(await trial.read('kept'), value('kept', 1))
    assert.deepEqual(await trial.read('floored'), weights('floored', 2, { a: '1' }))
    assert.deepEqual(await trial.read('shrunk'), weights('shrunk', 1, { a: '1' }))
    const left = await trial.read('members')
    assert.ok(left?.shape === 'weights')
    assert.deepEqual(left.members, [
      { member: 'a', weight: '1', version: at(2) },
      { member: 'c', weight: null, version: at(5) },
    ])
    assert.deepEqual({ ...backend.statistics(), bytes: 0 }, { keys: 4, tombstones: 2, bytes: 0 })
    assert.equal(await backend.purgeTombstones(at(3), 100), 0)
  },

  async 'forgets nothing that is for some only'(trial) {
    const backend = await trial.open()
    const marked = `${at(1)}@`
    const floored = { ...weights('floored', 2, { a: '1' }), floor: marked }
    const members = weightsOf(SHARED_SPACE, 'members', [{ member: 'a', weight: null, version: marked }])
    const entries = [{ ...deleted('gone', 1), version: marked }, floored, members as StateEntry]
    await trial.join(...entries)
    assert.equal(await backend.purgeTombstones(at(3), 100), 0)
    for (const entry of entries) assert.deepEqual(await trial.read(entry.key), entry)
  },

  async 'remembers a deletion for some only when it forgets the members that came after it'(trial) {
    const backend = await trial.open()
    const gone = { ...deleted('k', 1), version: `${at(1)}@` }
    await trial.joinEach(gone, weights('k', 2, { a: null }))
    assert.equal(await backend.purgeTombstones(at(3), 100), 1)
    assert.deepEqual(await trial.read('k'), gone)
    await trial.join(value('k', 0))
    assert.deepEqual(await trial.read('k'), gone)
    assert.deepEqual({ ...backend.statistics(), bytes: 0 }, { keys: 0, tombstones: 1, bytes: 0 })
    assert.equal(await backend.purgeTombstones(at(3), 100), 0)
  },

  async 'forgets no more than it may at a time'(trial) {
    const backend = await trial.open()
    await trial.join(
      ...Array.from({ length: 5 }, (_, n) => deleted(`gone-${n}`, 1)),
      weights('members', 1, { a: null }),
    )
    const purged = [await backend.purgeTombstones(at(2), 4), await backend.purgeTombstones(at(2), 4)]
    assert.deepEqual(purged, [4, 2])
    assert.equal(backend.statistics().tombstones, 0)
  },

  async 'keeps notes, each under its name, the last one'(trial) {
    const backend = await trial.open()
    assert.equal(await backend.note('one'), undefined)
    await backend.keepNote('one', 'first')
    await backend.keepNote('one', '{"second":"ü \\"}')
    await backend.keepNote('other', '')
    await trial.reopen()
    assert.equal(await trial.backend.note('one'), '{"second":"ü \\"}')
    assert.equal(await trial.backend.note('other'), '')
    assert.deepEqual(await trial.all(), [])
    assert.deepEqual(await trial.digests(), new Map())
    assert.deepEqual(trial.backend.statistics(), { keys: 0, tombstones: 0, bytes: 0 })
  },

  async 'closes twice without harm'(trial) {
    const backend = await trial.open()
    await backend.close()
    await backend.close()
    await assert.rejects(backend.read([value('key', 1)]))
  },
}

function digestsOf(entries: readonly StateEntry[]): ReadonlyMap<number, bigint> {
  const digests = new Map<number, bigint>()
  for (const entry of entries) {
    const { high, low } = digestOf(entry)
    const bucket = bucketOf(entry)
    digests.set(bucket, (digests.get(bucket) ?? 0n) ^ ((BigInt(high) << 32n) | BigInt(low)))
  }
  return new Map([...digests].sort(([one], [other]) => one - other))
}

function sorted(entries: readonly StateEntry[]): readonly string[] {
  return entries.map((entry) => JSON.stringify(Object.entries(entry).sort())).sort()
}
