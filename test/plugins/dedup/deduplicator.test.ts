import { EventEmitter, once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { expect } from 'chai'
import {
  type DedupBackend,
  type DedupContext,
  SlipstreamError,
  slipstreamError,
  type Timer,
} from '../../../core/index.ts'
import { ManualRuntime, messageMaker } from '../../../core/testing/index.ts'
import {
  DEFAULT_TTL_MS,
  type DeduplicatorOptions,
  type Identified,
  memory,
  type Outcome,
  SlipstreamDeduplicator,
} from '../../../plugins/dedup/index.ts'
import { ABSENT_DAYS, DEAD_LETTER_DAYS } from '../../../plugins/delivery/retention.ts'
import { failureOf } from '../../core/support.ts'

const LEASE_MS = 3_000
const M = { messageId: 'm-1', clusterGroupId: 'eu' }
const DAY_MS = 24 * 60 * 60 * 1_000

describe('SlipstreamDeduplicator', () => {
  let runtime: ManualRuntime

  beforeEach(() => {
    runtime = new ManualRuntime()
  })

  const made = (options: Partial<DeduplicatorOptions> = {}) =>
    new SlipstreamDeduplicator({ backend: memory(), leaseMs: LEASE_MS, runtime, ...options })

  /** Lets time pass, and what was asked of the backend be answered. */
  async function pass(milliseconds: number): Promise<void> {
    for (let passed = 0; passed < milliseconds; passed += 100) {
      runtime.advance(Math.min(100, milliseconds - passed))
      await turn()
    }
  }

  describe('once', () => {
    it('handles a message once', async () => {
      const dedup = made()
      const handled: number[] = []
      const outcomes: Outcome[] = []
      for (let time = 0; time < 3; time++) outcomes.push(await dedup.once(M, () => handled.push(time)))
      expect(outcomes).to.deep.equal(['processed', 'duplicate', 'duplicate'])
      expect(handled).to.deep.equal([0])
    })

    it('knows a message by id and group, and one without a group as of the group singleton', async () => {
      const dedup = made()
      const messages: Identified[] = [
        { messageId: 'm' },
        { messageId: 'm', clusterGroupId: 'eu' },
        { messageId: 'm', clusterGroupId: 'us' },
        { messageId: 'n', clusterGroupId: 'eu' },
      ]
      for (const message of messages) expect(await dedup.once(message, () => {})).to.equal('processed')
      const again: Identified[] = [{ messageId: 'm', clusterGroupId: 'singleton' }, ...messages.slice(1)]
      for (const message of again) expect(await dedup.once(message, () => {})).to.equal('duplicate')
    })

    it('takes messages of the bus as they are', async () => {
      const dedup = made()
      const message = messageMaker()({ messageId: 'm', clusterGroupId: 'eu' })
      expect(await dedup.once(message, () => {})).to.equal('processed')
      expect(await dedup.isDuplicate(JSON.parse(message.text))).to.equal(true)
    })

    it('refuses a message by whose id it could not be known again, and handles it not at all', async () => {
      const dedup = made()
      const wrong: unknown[] = [{}, { messageId: '' }, { messageId: 7 }, { messageId: 'a b' }]
      wrong.push({ messageId: 'm', clusterGroupId: 'a b' }, { messageId: 'm', clusterGroupId: null })
      wrong.push({ messageId: 'x'.repeat(129) })
      for (const message of wrong as Identified[]) {
        const { code } = await failureOf(SlipstreamError, () => dedup.once(message, () => expect.fail('handled')))
        expect(code).to.equal('SLP_DEDUP_MESSAGE')
      }
    })

    it('is busy while somebody is at it', async () => {
      const backend = memory()
      const [one, other] = [made({ backend }), made({ backend })]
      const gate = gated()
      const first = one.once(M, gate.handle)
      await gate.entered
      expect(await other.once(M, () => expect.fail('handled'))).to.equal('busy')
      expect(await one.isDuplicate(M)).to.equal(false)
      gate.leave()
      expect(await first).to.equal('processed')
      expect(await other.once(M, () => expect.fail('handled'))).to.equal('duplicate')
    })

    it('throws what the handler throws, and the message can be repeated at once', async () => {
      const dedup = made()
      const cause = new Error('no such account')
      for (const handle of [() => Promise.reject(cause), () => thrown(cause)]) {
        expect(await failureOf(Error, () => dedup.once(M, handle))).to.equal(cause)
      }
      expect(await dedup.once(M, () => {})).to.equal('processed')
    })

    it('gives each handler a greater token', async () => {
      const dedup = made()
      const tokens: number[] = []
      for (let time = 0; time < 3; time++) {
        await failureOf(Error, () => dedup.once(M, (_, token) => thrown(new Error(`${tokens.push(token)}`))))
      }
      expect(tokens).to.have.length(3)
      expect(tokens).to.deep.equal([...new Set(tokens)].sort((one, other) => one - other))
    })

    it('renews the lease for as long as the handler runs', async () => {
      const backend = memory()
      const [one, other] = [made({ backend }), made({ backend })]
      const gate = gated()
      const first = one.once(M, gate.handle)
      await gate.entered
      for (let time = 0; time < 5; time++) {
        await pass(LEASE_MS)
        expect(await other.once(M, () => expect.fail('handled'))).to.equal('busy')
      }
      expect(gate.signal().aborted).to.equal(false)
      gate.leave()
      expect(await first).to.equal('processed')
      await pass(LEASE_MS)
      expect(await other.isDuplicate(M)).to.equal(true)
    })

    it('repeats what was not confirmed, as soon as the lease of a process that died is over', async () => {
      const backend = memory()
      const dead = made({ backend })
      await dead.claim(M)
      const dedup = made({ backend })
      await pass(LEASE_MS - 1)
      expect(await dedup.once(M, () => {})).to.equal('busy')
      await pass(1)
      expect(await dedup.once(M, () => {})).to.equal('processed')
    })

    it('handles a message again that was handled longer ago than it is remembered', async () => {
      const dedup = made({ ttlMs: 10 * LEASE_MS })
      await dedup.once(M, () => {})
      runtime.advance(10 * LEASE_MS - 1)
      expect(await dedup.once(M, () => {})).to.equal('duplicate')
      runtime.advance(1)
      expect(await dedup.once(M, () => {})).to.equal('processed')
    })
  })

  describe('once that may wait', () => {
    const WAIT_MS = 10_000

    it('handles the message when it is given back, and knows it when it was handled', async () => {
      const backend = memory()
      const [one, other] = [made({ backend }), made({ backend })]
      for (const messageId of ['given-back', 'handled']) {
        const message = { messageId }
        const { token } = claimedOf(await one.claim(message))
        const outcome = other.once(message, () => {}, { waitMs: WAIT_MS })
        await pass(1_000)
        await (messageId === 'handled' ? one.confirm(message, token) : one.release(message, token))
        await pass(1_000)
        expect(await outcome).to.equal(messageId === 'handled' ? 'duplicate' : 'processed')
      }
    })

    it('handles the message of a process that died when its lease is over', async () => {
      const backend = memory()
      const dedup = made({ backend })
      await made({ backend }).claim(M)
      const outcome = dedup.once(M, () => {}, { waitMs: WAIT_MS })
      await pass(LEASE_MS + 1_000)
      expect(await outcome).to.equal('processed')
    })

    it('is busy when that lasts longer', async () => {
      const backend = memory()
      const gate = gated()
      const first = made({ backend }).once(M, gate.handle)
      await gate.entered
      const outcome = watched(made({ backend }).once(M, () => expect.fail('handled'), { waitMs: WAIT_MS }))
      await pass(WAIT_MS - 1)
      expect(outcome.settled).to.equal(false)
      await pass(1)
      expect(await outcome.promise).to.equal('busy')
      gate.leave()
      await first
    })

    it('waits for a backend that is away or full as well', async () => {
      const backend = new Faulty()
      const dedup = made({ backend })
      for (const call of ['open', 'claim'] as const) {
        backend.failing = new Set([call])
        const outcome = dedup.once({ messageId: call }, () => {}, { waitMs: WAIT_MS })
        await pass(WAIT_MS / 2)
        backend.failing = new Set()
        await pass(1_000)
        expect(await outcome).to.equal('processed')
      }
      const small = made({ backend: memory({ maxEntries: 1 }) })
      const { token } = claimedOf(await small.claim(M))
      const outcome = small.once({ messageId: 'm-2' }, () => {}, { waitMs: WAIT_MS })
      await pass(1_000)
      await small.confirm(M, token)
      await pass(1_000)
      expect(await outcome).to.equal('processed')
    })

    it('fails with a code when that lasts longer, and at once with what does not pass', async () => {
      const backend = new Faulty()
      backend.failing = new Set(['claim'])
      const failure = failureOf(SlipstreamError, () => made({ backend }).once(M, () => {}, { waitMs: WAIT_MS }))
      await pass(WAIT_MS)
      expect((await failure).code).to.equal('SLP_DEDUP_FAILED')
      const evicting = memory()
      evicting.open = () => Promise.reject(slipstreamError('SLP_DEDUP_EVICTION', ['allkeys-lru']))
      const waiting = () => made({ backend: evicting }).once(M, () => {}, { waitMs: WAIT_MS })
      expect((await failureOf(SlipstreamError, waiting)).code).to.equal('SLP_DEDUP_EVICTION')
    })

    it('waits no longer when it is closed', async () => {
      const backend = memory()
      await made({ backend }).claim(M)
      const dedup = made({ backend })
      const outcome = dedup.once(M, () => expect.fail('handled'), { waitMs: WAIT_MS })
      const failure = failureOf(SlipstreamError, () => outcome)
      await pass(100)
      const closed = dedup.close()
      await pass(1_000)
      expect((await failure).code).to.equal('SLP_DEDUP_FAILED')
      await closed
    })

    it('takes no time that cannot be', async () => {
      for (const waitMs of [-1, 3_600_001, Number.NaN]) {
        const { code } = await failureOf(SlipstreamError, () => made().once(M, () => {}, { waitMs }))
        expect(code).to.equal('SLP_DEDUP_OPTIONS')
      }
    })
  })

  describe('when the backend is away', () => {
    it('fails with a code, handles nothing, and goes on when it is back', async () => {
      const backend = new Faulty()
      const dedup = made({ backend })
      for (const call of ['open', 'claim'] as const) {
        backend.failing = new Set([call])
        const error = await failureOf(SlipstreamError, () => dedup.once(M, () => expect.fail('handled')))
        expect(error.code).to.equal('SLP_DEDUP_FAILED')
        expect(error.message).to.contain(`${call} is down`)
      }
      backend.failing = new Set()
      expect(await dedup.once(M, () => {})).to.equal('processed')
    })

    it('aborts the handler when the lease is over, and confirms it if it succeeds all the same', async () => {
      const backend = new Faulty()
      const dedup = made({ backend })
      const gate = gated()
      const run = dedup.once(M, gate.handle)
      await gate.entered
      backend.failing = new Set(['extend'])
      await pass(LEASE_MS - 1)
      expect(gate.signal().aborted).to.equal(false)
      await pass(1)
      expect(gate.signal().aborted).to.equal(true)
      expect(gate.signal().reason).to.include({ code: 'SLP_DEDUP_LOST' })
      gate.leave()
      expect(await run).to.equal('processed')
      expect(await dedup.isDuplicate(M)).to.equal(true)
    })

    it('counts the lease from when it was last known to be renewed', async () => {
      const backend = new Faulty()
      const dedup = made({ backend })
      const gate = gated()
      const run = dedup.once(M, gate.handle)
      await gate.entered
      await pass(LEASE_MS)
      backend.failing = new Set(['extend'])
      await pass(LEASE_MS - 1)
      expect(gate.signal().aborted).to.equal(false)
      await pass(1)
      expect(gate.signal().aborted).to.equal(true)
      gate.leave()
      await run
    })

    it('confirms later what is done, as long as the lease lasts', async () => {
      const backend = new Faulty()
      const dedup = made({ backend })
      backend.failing = new Set(['confirm'])
      const run = dedup.once(M, () => {})
      await pass(LEASE_MS * 3)
      backend.failing = new Set()
      await pass(1_000)
      expect(await run).to.equal('processed')
      expect(await dedup.once(M, () => expect.fail('handled'))).to.equal('duplicate')
    })

    it('says that it could not be confirmed when that lasts longer', async () => {
      const backend = new Faulty()
      const dedup = made({ backend })
      await dedup.open()
      backend.failing = new Set(['confirm', 'extend'])
      const failure = failureOf(SlipstreamError, () => dedup.once(M, () => {}))
      await pass(LEASE_MS + 1_000)
      expect((await failure).code).to.equal('SLP_DEDUP_FAILED')
    })

    it('throws what the handler threw, also when the message cannot be given back', async () => {
      const backend = new Faulty()
      const dedup = made({ backend })
      backend.failing = new Set(['release'])
      const cause = new Error('no such account')
      expect(await failureOf(Error, () => dedup.once(M, () => thrown(cause)))).to.equal(cause)
      await pass(LEASE_MS)
      expect(await dedup.once(M, () => {})).to.equal('processed')
    })
  })

  it('says that a claim was lost to somebody else: to the handler, and when it is confirmed', async () => {
    const backend = memory()
    const [slow, other] = [made({ backend }), made({ backend })]
    const gate = gated()
    const failure = failureOf(SlipstreamError, () => slow.once(M, gate.handle))
    await gate.entered
    // As if the lease had been over.
    await other.release(M, gate.token())
    const { token } = claimedOf(await other.claim(M))
    await pass(LEASE_MS / 3)
    expect(gate.signal().aborted).to.equal(true)
    gate.leave()
    expect((await failure).code).to.equal('SLP_DEDUP_LOST')
    await other.confirm(M, token)
    expect(await other.isDuplicate(M)).to.equal(true)
  })

  it('does not try again to confirm what was lost', async () => {
    const backend = memory()
    const [slow, other] = [made({ backend }), made({ backend })]
    const { code } = await failureOf(SlipstreamError, () =>
      slow.once(M, async (_, token) => {
        await other.release(M, token)
        await other.claim(M)
      }),
    )
    expect(code).to.equal('SLP_DEDUP_LOST')
  })

  describe('step by step', () => {
    it('claims, extends, confirms', async () => {
      const dedup = made()
      const { token } = claimedOf(await dedup.claim(M))
      await pass(LEASE_MS - 1)
      await dedup.extend(M, token)
      await pass(LEASE_MS - 1)
      expect(await dedup.claim(M)).to.deep.equal({ status: 'busy', forMs: 1 })
      await dedup.confirm(M, token)
      expect(await dedup.claim(M)).to.deep.equal({ status: 'duplicate' })
    })

    it('releases: it can be claimed at once, and the old claim is lost', async () => {
      const dedup = made()
      const first = claimedOf(await dedup.claim(M))
      await dedup.release(M, first.token)
      const second = claimedOf(await dedup.claim(M))
      expect(second.token).to.be.greaterThan(first.token)
      for (const step of ['extend', 'confirm'] as const) {
        expect((await failureOf(SlipstreamError, () => dedup[step](M, first.token))).code).to.equal('SLP_DEDUP_LOST')
      }
      await dedup.confirm(M, second.token)
    })
  })

  describe('close', () => {
    it('waits for the handlers that run, and takes nothing new', async () => {
      const backend = new Faulty()
      const dedup = made({ backend })
      const gate = gated()
      const run = dedup.once(M, gate.handle)
      await gate.entered
      const closed = dedup.close()
      for (const ask of [() => dedup.once({ messageId: 'm-2' }, () => {}), () => dedup.claim({ messageId: 'm-2' })]) {
        expect((await failureOf(SlipstreamError, ask)).code).to.equal('SLP_DEDUP_FAILED')
      }
      expect(backend.closed).to.equal(0)
      gate.leave()
      expect(await run).to.equal('processed')
      await closed
      await dedup.close()
      expect(backend.closed).to.equal(1)
      expect((await failureOf(SlipstreamError, () => dedup.isDuplicate(M))).code).to.equal('SLP_DEDUP_FAILED')
    })

    it('leaves no timer behind', async () => {
      const counting = new Counting()
      const dedup = made({ runtime: counting })
      await dedup.once(M, () => expect(counting.timers.size).to.be.greaterThan(0))
      await failureOf(Error, () => dedup.once({ messageId: 'm-2' }, () => thrown(new Error('no'))))
      expect(counting.timers.size).to.equal(0)
    })
  })

  describe('options', () => {
    it('that cannot be are refused', async () => {
      const wrong = [{ leaseMs: 99 }, { leaseMs: 3_600_001 }, { leaseMs: 1_000, ttlMs: 999 }, { leaseMs: Number.NaN }]
      const more = [{ ttlMs: 401 * DAY_MS }, { ttlMs: Number.POSITIVE_INFINITY }, { leaseMs: 1_000.5 }]
      for (const options of [...wrong, ...more]) {
        const { code } = await failureOf(SlipstreamError, () => made(options))
        expect(code, JSON.stringify(options)).to.equal('SLP_DEDUP_OPTIONS')
      }
    })

    it('are such by default that the bus repeats nothing that is forgotten', () => {
      const repeatedForDays = ABSENT_DAYS + DEAD_LETTER_DAYS + ABSENT_DAYS
      expect(DEFAULT_TTL_MS).to.be.greaterThan(repeatedForDays * DAY_MS)
    })
  })
})

/** A handler that waits until it is let go. */
function gated() {
  const gate = new EventEmitter()
  let given: { readonly signal: AbortSignal; readonly token: number } | undefined
  return {
    entered: once(gate, 'enter'),
    handle: (signal: AbortSignal, token: number) => {
      given = { signal, token }
      gate.emit('enter')
      return once(gate, 'leave')
    },
    leave: () => gate.emit('leave'),
    signal: () => given?.signal ?? expect.fail('it does not run'),
    token: () => given?.token ?? expect.fail('it does not run'),
  }
}

function watched<Result>(promise: Promise<Result>) {
  const state = { promise, settled: false }
  void promise.finally(() => {
    state.settled = true
  })
  return state
}

function thrown(error: Error): never {
  throw error
}

function claimedOf(verdict: Awaited<ReturnType<SlipstreamDeduplicator['claim']>>): { readonly token: number } {
  if (verdict.status !== 'claimed') throw new Error(`it is ${verdict.status}`)
  return verdict
}

/** Notes the timers that were neither cancelled nor fired. */
class Counting extends ManualRuntime {
  readonly timers = new Set<object>()

  override after(milliseconds: number, task: () => void): Timer {
    const timer = super.after(milliseconds, () => {
      this.timers.delete(noted)
      task()
    })
    const noted = {
      cancel: () => {
        this.timers.delete(noted)
        timer.cancel()
      },
    }
    this.timers.add(noted)
    return noted
  }
}

type Call = Exclude<keyof DedupBackend, 'name'>

/** A backend whose calls fail at will. */
class Faulty implements DedupBackend {
  readonly name = 'faulty'
  failing: ReadonlySet<Call> = new Set()
  closed = 0
  readonly #backend = memory()

  open = (context: DedupContext) => this.#call('open', () => this.#backend.open(context))
  claim = (key: string) => this.#call('claim', () => this.#backend.claim(key))
  extend = (key: string, token: number) => this.#call('extend', () => this.#backend.extend(key, token))
  confirm = (key: string, token: number) => this.#call('confirm', () => this.#backend.confirm(key, token))
  release = (key: string, token: number) => this.#call('release', () => this.#backend.release(key, token))
  find = (key: string) => this.#call('find', () => this.#backend.find(key))

  async close(): Promise<void> {
    this.closed++
  }

  async #call<Result>(call: Call, work: () => Promise<Result>): Promise<Result> {
    if (!this.failing.has(call)) return work()
    throw call === 'open' ? slipstreamError('SLP_DEDUP_FAILED', ['open is down']) : new Error(`${call} is down`)
  }
}
