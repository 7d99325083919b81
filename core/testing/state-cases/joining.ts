import assert from 'node:assert/strict'
import { array, at, deleted, LETTERS, letters, type TryingState, value, weights } from '../state-trial.ts'

/** What becomes of a key, whatever the order in which its writes come. */
export const joiningCases: Readonly<Record<string, TryingState>> = {
  async 'keeps what is joined, and finds it again when it is opened anew'(trial) {
    await trial.open()
    const entries = [value('one', 1), array('two', 1), deleted('three', 1), weights('four', 1, { a: '1', b: null })]
    assert.deepEqual(await trial.join(...entries), ['applied', 'applied', 'applied', 'applied'])
    for (const entry of entries) assert.deepEqual(await trial.read(entry.key), entry)
    await trial.reopen()
    for (const entry of entries) assert.deepEqual(await trial.read(entry.key), entry)
  },

  async 'joins nothing without a word'(trial) {
    await trial.open()
    assert.deepEqual(await trial.join(), [])
  },

  async 'keeps a newer write, and says that an older one is superseded'(trial) {
    await trial.open()
    assert.deepEqual(await trial.joinEach(value('key', 2), value('key', 1), array('key', 3), deleted('key', 2)), [
      'applied',
      'superseded',
      'applied',
      'superseded',
    ])
    assert.deepEqual(await trial.read('key'), array('key', 3))
  },

  async 'joins the deltas of a batch one after the other'(trial) {
    await trial.open()
    const outcomes = await trial.join(value('key', 1), value('other', 1), value('key', 3), value('key', 2))
    assert.deepEqual(outcomes, ['applied', 'applied', 'applied', 'superseded'])
    assert.deepEqual(await trial.read('key'), value('key', 3))
  },

  async 'says that a write is applied which comes again and still holds'(trial) {
    await trial.open()
    const writes = [value('key', 1), weights('members', 1, { a: '1' }), deleted('gone', 1), letters('word', 1, 'ab')]
    await trial.join(...writes)
    assert.deepEqual(await trial.join(...writes), ['applied', 'applied', 'applied', 'applied'])
  },

  async 'keeps for whom a version is, of values, members and what is gone'(trial) {
    await trial.open()
    const version = `${at(2)}@["a","eu\\u0020west","\\ud800","é"]`
    const entries = [
      { ...value('key', 2), version },
      { ...deleted('gone', 2), version },
      { ...weights('members', 2, { a: '1', b: null }), version, members: membersAt(version) },
    ]
    await trial.join(...entries)
    await trial.reopen()
    for (const entry of entries) assert.deepEqual(await trial.read(entry.key), entry)
  },

  async 'keeps texts to the byte'(trial) {
    await trial.open()
    const text = '{ "big": 9007199254740993, "price": 1.10,\n "word": "\\u00e9 é 😀" }'
    await trial.join(value('key', 1, text), weights('members', 1, { a: '9007199254740993', b: '1.10', c: '1e2' }))
    assert.deepEqual(await trial.read('key'), value('key', 1, text))
    assert.deepEqual(await trial.read('members'), weights('members', 1, { a: '9007199254740993', b: '1.10', c: '1e2' }))
  },

  async 'keeps a value of a megabyte'(trial) {
    await trial.open()
    const large = value('key', 1, `"${'x'.repeat(1024 * 1024)}"`)
    await trial.join(large)
    assert.deepEqual(await trial.read('key'), large)
  },

  async 'tells two values of one version apart in the same way, whichever comes first'(trial) {
    await trial.open()
    await trial.joinEach(
      value('one', 1, '"a"'),
      value('one', 1, '"b"'),
      value('other', 1, '"b"'),
      value('other', 1, '"a"'),
    )
    assert.deepEqual(await trial.read('one'), value('one', 1, '"b"'))
    assert.deepEqual(await trial.read('other'), value('other', 1, '"b"'))
  },

  async 'keeps of each member what was written last'(trial) {
    await trial.open()
    const outcomes = await trial.joinEach(
      weights('key', 2, { a: '2', b: '2' }),
      weights('key', 1, { a: '1', c: '1' }),
      weights('key', 3, { b: null }),
      weights('key', 1, { a: '1', b: '1' }),
    )
    assert.deepEqual(outcomes, ['applied', 'applied', 'applied', 'superseded'])
    assert.deepEqual(await trial.read('key'), {
      ...weights('key', 3, { a: null }),
      members: [
        { member: 'a', weight: '2', version: at(2) },
        { member: 'b', weight: null, version: at(3) },
        { member: 'c', weight: '1', version: at(1) },
      ],
    })
  },

  async 'gives members sorted by name'(trial) {
    await trial.open()
    await trial.joinEach(
      weights('key', 1, { é: '1', b: '1' }),
      weights('key', 2, { '\u{ffff}': '1', '😀': '1', a: '2' }),
    )
    const entry = await trial.read('key')
    assert.ok(entry?.shape === 'weights')
    assert.deepEqual(
      entry.members.map(({ member }) => member),
      ['a', 'b', 'é', '😀', '\u{ffff}'],
    )
  },

  async 'lets a whole write replace older members, and newer members replace a whole write'(trial) {
    await trial.open()
    const replaced = { ...weights('key', 3, { a: '3' }), floor: at(2) }
    await trial.joinEach(weights('key', 1, { a: '1', b: '1' }), value('key', 2))
    assert.deepEqual(await trial.read('key'), value('key', 2))
    assert.deepEqual(await trial.join(weights('key', 1, { c: '1' })), ['superseded'])
    assert.deepEqual(await trial.read('key'), value('key', 2))
    await trial.join(weights('key', 3, { a: '3' }))
    assert.deepEqual(await trial.read('key'), replaced)
    assert.deepEqual(await trial.join(weights('key', 2, { c: '2' })), ['superseded'])
    assert.deepEqual(await trial.read('key'), replaced)
  },

  async 'drops the members that a whole write has replaced, and keeps newer ones, though the write comes late'(trial) {
    await trial.open()
    await trial.joinEach(weights('key', 1, { a: '1', b: '1' }), weights('key', 3, { b: '3' }), deleted('key', 2))
    assert.deepEqual(await trial.read('key'), { ...weights('key', 3, { b: '3' }), floor: at(2) })
  },

  async 'joins texts of a type with a merge of its own by that, and others by their version'(trial) {
    await trial.open()
    const stranger = (n: number) => ({ ...letters('word', n, `${n}`), space: 'stranger' })
    const outcomes = await trial.joinEach(
      letters('word', 2, 'bd'),
      letters('word', 1, 'ac'),
      letters('word', 1, 'ab'),
      stranger(2),
      stranger(1),
    )
    assert.deepEqual(outcomes, ['applied', 'applied', 'superseded', 'applied', 'superseded'])
    assert.deepEqual(await trial.read('word', LETTERS), letters('word', 2, 'abcd'))
    assert.deepEqual(await trial.read('word', 'stranger'), stranger(2))
  },

  async 'keeps the spaces apart'(trial) {
    await trial.open()
    const other = { ...value('key', 1), space: 'fx.rate' }
    await trial.join(value('key', 2), other)
    assert.deepEqual(await trial.backend.read([value('key', 2), other, { space: 'fx.rate', key: 'none' }]), [
      value('key', 2),
      other,
      undefined,
    ])
  },
}

function membersAt(version: string) {
  return [
    { member: 'a', weight: '1', version },
    { member: 'b', weight: null, version },
  ]
}
