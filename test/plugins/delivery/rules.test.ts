import { expect } from 'chai'
import type { DueDelivery, Plugin } from '../../../core/index.ts'
import { MemoryStore } from '../../../plugins/stores/memory.ts'
import { ManualRuntime } from '../../core/manual-runtime.ts'
import { type Answers, bench, RETRY_DELAY_MS } from './support.ts'

const DAY_MS = 24 * 60 * 60 * 1_000
const BACKOFF_CAP_MS = 60_000
const RETRYABLE = { code: 'STORE_UNAVAILABLE', retryable: true }
const ids = (count: number) => Array.from({ length: count }, (_, at) => `m-${at + 1}`)
const acks: Answers = () => 'ACK'
const none = { acked: 0, dead: 0, collapsed: 0, forgotten: 0 }

describe('what is in flight', () => {
  it('goes once more after a retry delay without a word; after a second one the link is closed with 1013', async () => {
    const subject = await bench()
    const app = await subject.connect('app')
    await subject.publish('m-1', 'm-2')
    await subject.pass(RETRY_DELAY_MS - 1)
    expect(app.got).to.deep.equal(ids(2))
    await subject.pass(1)
    expect(app.got).to.deep.equal([...ids(2), ...ids(2)])
    expect(app.closed).to.equal(undefined)
    await subject.pass(RETRY_DELAY_MS)
    expect([app.got.length, app.closed]).to.deep.equal([4, 1013])
  })

  it('is never held against a message by silence, not even if it is alone, however often', async () => {
    const subject = await bench()
    await subject.connect('app')
    await subject.publish('m-1')
    for (let link = 1; link <= 30; link++) {
      const app = await subject.connect('app')
      await subject.pass(2 * RETRY_DELAY_MS)
      expect(app.closed).to.equal(1013)
    }
    expect(await subject.dead()).to.deep.equal([])
    expect((await subject.connect('app', acks)).got).to.deep.equal(['m-1'])
  })

  it('has its timeout restarted by each ACK: who takes one a second of a full window gets nothing twice', async () => {
    const subject = await bench()
    const app = await subject.connect('app')
    await subject.publish(...ids(100))
    expect(app.got).to.have.length(64)
    for (const id of ids(100)) {
      await subject.pass(1_000)
      app.ack(id)
    }
    await subject.pass(1_000)
    expect(app.got).to.deep.equal(ids(100))
    expect(subject.sums()).to.deep.equal({ ...none, targeted: 100, acked: 100, pending: 0 })
  })

  it('has its timeout restarted by each NACK', async () => {
    const subject = await bench()
    const app = await subject.connect('app')
    await subject.publish('m-1', 'm-2', 'm-3')
    await subject.pass(RETRY_DELAY_MS - 1)
    app.nack('m-3', { code: 'FORBIDDEN' })
    await subject.pass(RETRY_DELAY_MS - 1)
    expect(app.got).to.deep.equal(ids(3))
    await subject.pass(1)
    expect(app.got).to.deep.equal([...ids(3), 'm-1', 'm-2'])
  })

  it('waits for whoever is away for 30 days, and none of it dies', async () => {
    const subject = await bench()
    ;(await subject.connect('app')).close()
    await subject.publish(...ids(3))
    await subject.pass(30 * DAY_MS)
    expect(await subject.dead()).to.deep.equal([])
    expect((await subject.connect('app', acks)).got).to.deep.equal(ids(3))
  })

  it('survives 10,000 lost links with several deliveries under way', async () => {
    const subject = await bench()
    await subject.connect('app')
    await subject.publish(...ids(3))
    for (let flap = 0; flap < 10_000; flap++) await subject.connect('app')
    expect(await subject.dead()).to.deep.equal([])
    expect(await subject.attempts()).to.include({ nacks: 0, timeouts: 0, disconnects: 0 })
    expect((await subject.connect('app', acks)).got).to.deep.equal(ids(3))
  }).timeout(60_000)

  it('is a dead letter POISON after 20 disconnects alone in flight, and not after 19', async () => {
    const subject = await bench()
    await subject.connect('app')
    await subject.publish('m-1')
    for (let flap = 1; flap <= 19; flap++) await subject.connect('app')
    expect(await subject.attempts()).to.include({ disconnects: 19 })
    await subject.connect('app')
    const [letter] = await subject.dead()
    expect(letter).to.deep.include({ messageId: 'm-1', recipient: 'app', reason: 'POISON', plugin: 'republish' })
    expect(letter?.attempts).to.include({ disconnects: 20 })
  })

  it('keeps its order when the link is lost while one is alone in flight and others come', async () => {
    const store = new MemoryStore()
    const subject = await bench({ store })
    const first = await subject.connect('app')
    await subject.publish('m-1')
    const write = store.write.bind(store)
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    store.write = async (batch) => {
      await held
      return write(batch)
    }
    first.close()
    await subject.publish('m-2')
    const again = await subject.connect('app')
    release()
    await subject.rest()
    expect(again.got).to.deep.equal(ids(2))
  })
})

describe('a failure', () => {
  it('counts when the recipient NACKs as retryable, on disk before the next attempt, and is given up beyond the maximum', async () => {
    const counts: unknown[] = []
    const subject = await bench({ maxRepublishAttempts: 2 })
    const app = await subject.connect('app', () => RETRYABLE)
    await subject.publish('m-1')
    // Chance is 0 here: half of 5 seconds, then half of 10.
    for (const delay of [2_500, 5_000]) {
      counts.push((await subject.attempts())?.nacks)
      await subject.pass(delay - 1)
      expect(app.got).to.have.length(counts.length)
      await subject.pass(1)
    }
    expect(counts).to.deep.equal([1, 2])
    expect(app.got).to.have.length(3)
    const [letter] = await subject.dead()
    expect(letter).to.deep.include({
      messageId: 'm-1',
      type: 'SK',
      recipient: 'app',
      reason: 'ATTEMPTS_EXHAUSTED',
      error: 'STORE_UNAVAILABLE no',
      attempts: { sends: 3, nacks: 3, timeouts: 0, disconnects: 0 },
      plugin: 'republish',
      pluginVersion: '1.0.0',
    })
    expect(subject.sums()).to.deep.equal({ ...none, targeted: 1, dead: 1, pending: 0 })
    await subject.pass(DAY_MS)
    expect(app.got).to.have.length(3)
  })

  it('is followed by the next attempt in time, though the wall clock is set back or forward', async () => {
    for (const hours of [-1, 1]) {
      const subject = await bench()
      const app = await subject.connect('app', () => RETRYABLE)
      await subject.publish('m-1')
      subject.runtime.step(hours * 60 * 60 * 1_000)
      await subject.pass(2_499)
      expect(app.got).to.have.length(1)
      await subject.pass(1)
      expect(app.got).to.have.length(2)
    }
  })

  it('never counts when the recipient is BUSY: it is left alone for as long as it asks, then gets everything', async () => {
    const subject = await bench()
    let busy = true
    const app = await subject.connect('app', () =>
      busy ? { code: 'BUSY', retryable: true, retryAfterMs: 12_345 } : 'ACK',
    )
    await subject.publish('m-1')
    for (let round = 1; round <= 10; round++) {
      await subject.publish({ messageId: `m-${round + 1}`, key: 'k' })
      await subject.pass(12_344)
      expect(app.got.length).to.equal((round * (round + 1)) / 2)
      if (round === 10) busy = false
      await subject.pass(1)
    }
    expect(app.got.slice(-11)).to.deep.equal(ids(11))
    await subject.pass(10)
    expect(subject.sums()).to.deep.equal({ ...none, targeted: 11, acked: 11, pending: 0 })
    expect(app.closed).to.equal(undefined)
  })

  it('goes on though the recipient asks to be left alone for longer than the retry delay, and others are in flight', async () => {
    const subject = await bench()
    let busy = true
    const app = await subject.connect('app', (id) => {
      if (!busy) return 'ACK'
      return id === 'm-2' ? { code: 'BUSY', retryable: true, retryAfterMs: 30_000 } : undefined
    })
    await subject.publish('m-1', 'm-2')
    await subject.pass(29_999)
    expect(app.got).to.deep.equal(ids(2))
    busy = false
    await subject.pass(1)
    expect(app.got).to.deep.equal([...ids(2), 'm-2'])
    app.ack('m-1')
    await subject.pass(10)
    expect(subject.sums()).to.deep.include({ acked: 2, dead: 0 })
  })

  it('leaves a BUSY recipient alone for 100 ms at least, and a minute at most, whatever it asks for', async () => {
    for (const [asked, obeyed] of [
      [0, 100],
      [99, 100],
      [60_001, 60_000],
      [Number.MAX_VALUE, 60_000],
    ] as const) {
      const subject = await bench()
      const app = await subject.connect('app', (_, before) =>
        before === 0 ? { code: 'BUSY', retryable: true, retryAfterMs: asked } : 'ACK',
      )
      await subject.publish('m-1')
      await subject.pass(obeyed - 1)
      expect(app.got, `${asked} ms`).to.deep.equal(['m-1'])
      await subject.pass(1)
      expect(app.got, `${asked} ms`).to.deep.equal(['m-1', 'm-1'])
      await subject.end()
    }
  })

  it('is final when the recipient NACKs as not retryable: REJECTED', async () => {
    const subject = await bench()
    const app = await subject.connect('app', () => ({ code: 'INVALID_MESSAGE', retryable: false }))
    await subject.publish('m-1')
    await subject.pass(DAY_MS)
    expect(app.got).to.deep.equal(['m-1'])
    const [letter] = await subject.dead()
    expect(letter).to.include({ reason: 'REJECTED', error: 'INVALID_MESSAGE no' })
    expect(letter?.path).to.deep.equal([])
  })

  it('counts as a timeout only when the recipient acknowledged something that was sent later', async () => {
    const subject = await bench()
    const app = await subject.connect('app')
    await subject.publish(...ids(3))
    app.ack('m-2')
    await subject.pass(RETRY_DELAY_MS)
    expect(await subject.attempts()).to.deep.equal({ sends: 1, nacks: 0, timeouts: 1, disconnects: 0 })
    // Of the last one there was no word, nor of anything behind it: it goes once more, uncounted.
    expect(app.got).to.deep.equal([...ids(3), 'm-3'])
    app.ack('m-3')
    await subject.pass(2_500)
    expect(app.got).to.deep.equal([...ids(3), 'm-3', 'm-1'])
    expect(subject.sums()).to.include({ acked: 2, pending: 1 })
  })

  it('does not count when an ACK comes twice', async () => {
    const subject = await bench()
    const app = await subject.connect('app')
    await subject.publish(...ids(3))
    app.ack('m-1', 'm-1', 'unheard-of')
    await subject.pass(RETRY_DELAY_MS)
    expect(await subject.attempts()).to.include({ timeouts: 0 })
    expect(app.got).to.deep.equal([...ids(3), 'm-2', 'm-3'])
  })

  it('is forgiven when the ACK comes late, before the next attempt: nothing is sent again', async () => {
    const subject = await bench()
    const app = await subject.connect('app')
    await subject.publish('m-1', 'm-2')
    app.ack('m-2')
    await subject.pass(RETRY_DELAY_MS + 1)
    app.ack('m-1')
    await subject.pass(DAY_MS)
    expect(app.got).to.deep.equal(ids(2))
    expect(subject.sums()).to.deep.equal({ ...none, targeted: 2, acked: 2, pending: 0 })
  })

  it('dies of timeouts as of NACKs, both counted together', async () => {
    const subject = await bench({ maxRepublishAttempts: 1 })
    const app = await subject.connect('app', (id, before) => {
      if (id !== 'm-1') return 'ACK'
      return before === 0 ? RETRYABLE : undefined
    })
    await subject.publish('m-1')
    await subject.pass(RETRY_DELAY_MS)
    expect(app.got).to.deep.equal(['m-1', 'm-1'])
    await subject.publish('m-2')
    await subject.pass(RETRY_DELAY_MS)
    const [letter] = await subject.dead()
    expect(letter).to.include({ messageId: 'm-1', reason: 'ATTEMPTS_EXHAUSTED' })
    expect(letter?.attempts).to.include({ nacks: 1, timeouts: 1 })
  })

  it('goes again at a whole millisecond, whatever chance says: stores keep no fractions', async () => {
    const subject = await bench()
    subject.runtime.chance = 0.123456
    const dueAt: number[] = []
    const write = subject.store.write.bind(subject.store)
    subject.store.write = (batch) => {
      dueAt.push(...batch.retries.map((retry) => retry.dueAt))
      return write(batch)
    }
    await subject.connect('app', () => RETRYABLE)
    await subject.publish('m-1')
    expect(dueAt).to.have.length(1)
    expect(dueAt.every(Number.isInteger)).to.equal(true)
  })

  it('stays counted over a restart, and so does the time of the next attempt', async () => {
    const [store, runtime] = [new MemoryStore(), new ManualRuntime()]
    runtime.chance = 0.5
    const before = await bench({ store, runtime })
    await before.connect('app', () => RETRYABLE)
    await before.publish('m-1')
    await before.end()
    const after = await bench({ store, runtime })
    const app = await after.connect('app', () => RETRYABLE)
    expect(app.got).to.deep.equal([])
    expect(await after.attempts()).to.deep.equal({ sends: 1, nacks: 1, timeouts: 0, disconnects: 0 })
    for (let failures = 2; failures <= 4; failures++) await after.pass(BACKOFF_CAP_MS)
    const [letter] = await after.dead()
    expect(letter?.attempts).to.deep.equal({ sends: 4, nacks: 4, timeouts: 0, disconnects: 0 })
  })

  it('that nobody decides on goes again, whatever it is, and nothing spins', async () => {
    const subject = await bench({ republishes: false })
    const app = await subject.connect('app', (_, before) => (before === 0 ? RETRYABLE : 'ACK'))
    await subject.publish('m-1', { messageId: 'm-2', key: 'k', expiresAt: subject.runtime.now() + 1 })
    await subject.pass(RETRY_DELAY_MS)
    expect(app.got).to.deep.equal(['m-1', 'm-2', 'm-1'])
    app.close()
    await subject.rest()
    await subject.publish({ messageId: 'm-3', key: 'k', expiresAt: subject.runtime.now() + 1 })
    await subject.pass(1)
    const again = await subject.connect('app', acks)
    await subject.pass(DAY_MS)
    expect(again.got).to.deep.equal([])
    expect(subject.sums()).to.include({ pending: 1, dead: 0 })
  })

  it('is decided upon once: of two plugins that disagree, the first prevails', async () => {
    const second: Plugin = {
      name: 'second',
      apply: ({ hooks, deliveries }) =>
        hooks.republish.tap((due: readonly DueDelivery[]) => {
          for (const one of due) deliveries.deadLetter(one, 'REJECTED')
        }),
    }
    const subject = await bench({ plugins: [second] })
    await subject.connect('app', () => RETRYABLE)
    await subject.publish('m-1')
    expect(await subject.dead()).to.deep.equal([])
    expect(await subject.attempts()).to.include({ nacks: 1 })
  })

  for (const [what, answer] of [
    ['retry', RETRYABLE],
    ['death', { code: 'FORBIDDEN' }],
  ] as const) {
    it(`is written later when the store fails with its ${what}: nothing is sent before, and in the end it is there once`, async () => {
      const store = new MemoryStore()
      const write = store.write.bind(store)
      const subject = await bench({ store })
      const app = await subject.connect('app', (_, before) => (before === 0 ? answer : 'ACK'))
      let failures = 0
      store.write = async (batch) => {
        // The worst of both: it is on disk now and then, and the store does not know.
        if (batch.entries.length > 0) return write(batch)
        if (++failures % 2 === 0) await write(batch)
        throw new Error('the disk has gone away')
      }
      await subject.publish('m-1')
      await subject.pass(20_000)
      expect(failures).to.be.greaterThan(10)
      expect(app.got).to.deep.equal(['m-1'])
      store.write = write
      await subject.pass(BACKOFF_CAP_MS)
      const dead = await subject.dead()
      if (what === 'death') expect(dead.map(({ reason }) => reason)).to.deep.equal(['REJECTED'])
      else expect([app.got, dead]).to.deep.equal([['m-1', 'm-1'], []])
      expect(subject.sums()).to.include({ targeted: 1, pending: 0, acked: what === 'retry' ? 1 : 0 })
    })
  }
})

describe('expiry', () => {
  it('makes a dead letter EXPIRED of what was not sent in time, and of nothing that was', async () => {
    const subject = await bench()
    ;(await subject.connect('app')).close()
    const soon = subject.runtime.now() + 1_000
    await subject.publish({ messageId: 'm-1', key: 'k', expiresAt: soon }, 'm-2')
    await subject.publish({ messageId: 'm-3', key: 'k', expiresAt: soon + DAY_MS })
    await subject.pass(1_000)
    const app = await subject.connect('app', acks)
    expect(app.got).to.deep.equal(['m-2', 'm-3'])
    const [letter] = await subject.dead()
    expect(letter).to.include({ messageId: 'm-1', reason: 'EXPIRED' })
    expect(letter?.attempts.sends).to.equal(0)
    await subject.pass(DAY_MS)
    expect(subject.sums()).to.deep.equal({ ...none, targeted: 3, acked: 2, dead: 1, pending: 0 })
  })

  it('ends what waits for its next attempt', async () => {
    const subject = await bench()
    const app = await subject.connect('app', () => RETRYABLE)
    await subject.publish({ messageId: 'm-1', key: 'k', expiresAt: subject.runtime.now() + 1_000 })
    await subject.pass(BACKOFF_CAP_MS)
    expect(app.got).to.deep.equal(['m-1'])
    const [letter] = await subject.dead()
    expect(letter).to.include({ reason: 'EXPIRED' })
    expect(letter?.attempts).to.include({ sends: 1, nacks: 1 })
  })
})

describe('strict order', () => {
  const strict = (messageId: string, key: string) => ({ type: 'test.strict', messageId, key })

  it('has one of each key in flight, while others flow', async () => {
    const subject = await bench()
    const app = await subject.connect('app')
    await subject.publish(strict('a-1', 'a'), strict('a-2', 'a'), strict('b-1', 'b'), strict('a-3', 'a'), 'free')
    expect(app.got).to.deep.equal(['a-1', 'b-1', 'free'])
    for (const id of ['a-1', 'a-2', 'a-3']) {
      app.ack(id)
      await subject.rest()
    }
    expect(app.got).to.deep.equal(['a-1', 'b-1', 'free', 'a-2', 'a-3'])
  })

  it('lets one that fails hold back its key alone, until its dead letter releases it', async () => {
    const subject = await bench()
    const app = await subject.connect('app', (id) => (id === 'a-1' ? RETRYABLE : 'ACK'))
    await subject.publish(strict('a-1', 'a'), strict('a-2', 'a'), strict('b-1', 'b'))
    await subject.pass(2_500)
    expect(app.got).to.deep.equal(['a-1', 'b-1', 'a-1'])
    await subject.pass(4 * BACKOFF_CAP_MS)
    expect(app.got).to.deep.equal(['a-1', 'b-1', 'a-1', 'a-1', 'a-1', 'a-2'])
    expect((await subject.dead()).map(({ messageId }) => messageId)).to.deep.equal(['a-1'])
    expect(subject.sums()).to.include({ acked: 2, dead: 1, pending: 0 })
  })

  it('keeps a key busy over a lost link', async () => {
    const subject = await bench()
    await subject.connect('app')
    await subject.publish(strict('a-1', 'a'), strict('a-2', 'a'), strict('b-1', 'b'))
    const again = await subject.connect('app')
    expect(again.got).to.deep.equal(['a-1', 'b-1'])
  })

  it('keeps a key busy over a restart while the one before waits for its next attempt', async () => {
    const [store, runtime] = [new MemoryStore(), new ManualRuntime()]
    const before = await bench({ store, runtime })
    await before.connect('app', () => RETRYABLE)
    await before.publish(strict('a-1', 'a'), strict('a-2', 'a'))
    await before.end()
    const after = await bench({ store, runtime })
    const app = await after.connect('app', acks)
    expect(app.got).to.deep.equal([])
    await after.pass(RETRY_DELAY_MS)
    expect(app.got).to.deep.equal(['a-1', 'a-2'])
  })

  it('goes on though the store cannot be read when the next of a key is to go', async () => {
    const store = new MemoryStore()
    const subject = await bench({ store })
    const app = await subject.connect('app')
    await subject.publish(strict('a-1', 'a'), strict('a-2', 'a'), strict('a-3', 'a'))
    const recall = store.recall.bind(store)
    store.recall = async () => {
      throw new Error('the disk has gone away')
    }
    app.ack('a-1')
    await subject.pass(3 * RETRY_DELAY_MS)
    store.recall = recall
    await subject.pass(RETRY_DELAY_MS)
    expect(app.got).to.deep.equal(['a-1', 'a-2'])
  })

  it('goes on behind one that is gone from the store', async () => {
    const store = new MemoryStore()
    const subject = await bench({ store })
    const app = await subject.connect('app')
    await subject.publish(strict('a-1', 'a'), strict('a-2', 'a'), strict('a-3', 'a'))
    const recall = store.recall.bind(store)
    store.recall = async (...asked) => (await recall(...asked)).filter(({ message }) => message.messageId !== 'a-2')
    // What is altered on disk is not given.
    app.ack('a-1')
    await subject.rest()
    expect(app.got).to.deep.equal(['a-1', 'a-3'])
  })

  it('is kept for types that are unknown here, by the ordering key that they bear', async () => {
    const subject = await bench()
    const app = await subject.connect('app')
    const alien = (n: number, orderingKey: string) => ({
      type: 'alien',
      messageId: `x-${n}`,
      originInstanceId: 'far',
      originSequence: `epoch.${n}`,
      version: `${String(subject.runtime.now()).padStart(13, '0')}-0000${n}-far`,
      orderingKey,
      sourceInstanceId: 'far',
      messagePath: ['far'],
    })
    await subject.relay('far', alien(1, 'a'), alien(2, 'a'), alien(3, 'b'))
    expect(app.got).to.deep.equal(['x-1', 'x-3'])
    app.ack('x-1')
    await subject.rest()
    expect(app.got).to.deep.equal(['x-1', 'x-3', 'x-2'])
  })

  it('does not bind types that merge by version', async () => {
    const subject = await bench()
    const app = await subject.connect('app')
    await subject.publish(...ids(3).map((messageId) => ({ messageId, key: 'same' })))
    expect(app.got).to.deep.equal(ids(3))
  })
})
