import { expect } from 'chai'
import { SHARED_SPACE } from '../../core/index.ts'
import { memoryHint } from '../../plugins/dedup/memory.ts'
import { setKey } from '../../plugins/messages/sk.ts'
import { MemoryState } from '../../plugins/state/memory.ts'
import { keeping } from '../support/bus.ts'
import { type Lab, labOf } from './clock-lab.ts'

/** Who dials whom, who lies in between, and at which two instances the publisher sends. */
const MESHES = {
  line: { pairs: ['a-b', 'd-c', 'b-c'], between: ['b', 'c'], entries: ['a', 'd'] },
  ring: { pairs: ['a-b', 'a-d', 'c-b', 'c-d'], between: ['b', 'd'], entries: ['a', 'c'] },
  star: { pairs: ['a-hub', 'b-hub', 'c-hub'], between: ['hub'], entries: ['a', 'b'] },
} as const

const write = { type: 'SK', key: 'k', value: 1 }
const stamp = (milliseconds: number) => `${milliseconds}-00000-shop`

class States {
  readonly #states = new Map<string, MemoryState>()
  readonly plugins = (name: string) => [setKey(), memoryHint(), keeping(this.#of(name))]

  /** The versions of the key that instances hold, each once. */
  async versions(names: readonly string[]): Promise<ReadonlySet<string | undefined>> {
    const versions = new Set<string | undefined>()
    for (const name of names) {
      const [entry] = await this.#of(name).read([{ space: SHARED_SPACE, key: 'k' }])
      versions.add(entry?.version)
    }
    return versions
  }

  #of(name: string): MemoryState {
    const state = this.#states.get(name) ?? new MemoryState()
    this.#states.set(name, state)
    return state
  }
}

/** Ids of messages that somebody was sent, in order. */
const idsIn = (frames: readonly { readonly [name: string]: unknown }[]) =>
  frames.filter(({ type }) => type === 'SK').map(({ messageId }) => messageId)

/** The publisher sends one message at two instances that do not see each other; then they do. */
async function sendTwice(lab: Lab, { between, entries }: (typeof MESHES)[keyof typeof MESHES]): Promise<void> {
  for (const name of between) await lab.stop(name)
  for (const name of entries) expect(await lab.publish(name, 'm', write)).to.include({ status: 'stored' })
  for (const name of between) await lab.start(name)
  await lab.pass(30_000)
}

describe('one message with two stamps', () => {
  for (const [shape, mesh] of Object.entries(MESHES)) {
    for (const [which, leader] of [
      ['first', 0],
      ['second', 1],
    ] as const) {
      it(`has the greater one everywhere in a ${shape}, when the ${which} instance gave it`, async () => {
        const states = new States()
        const lab = await labOf(mesh.pairs, states.plugins)
        await lab.step(mesh.entries[leader], 20_000)
        await sendTwice(lab, mesh)
        const [version, ...others] = await states.versions(lab.names)
        expect(others).to.deep.equal([])
        expect(version).to.match(new RegExp(`-${mesh.entries[leader]}$`))
      })
    }
  }

  it('is handled once by each client, and comes to rest', async () => {
    const states = new States()
    const lab = await labOf(MESHES.ring.pairs, states.plugins)
    await lab.step('c', 20_000)
    const listening = await Promise.all(
      ['a', 'c'].map(async (name) => [await lab.listen(name, `client-${name}`), await lab.listen(name)]),
    )
    await sendTwice(lab, MESHES.ring)
    for (const frames of listening.flat()) expect(idsIn(frames)).to.deep.equal(['m'])
    for (const name of lab.names) {
      const { bus, kernel } = lab.at(name)
      // Two copies at most: that with the lesser stamp, and that with the greater one.
      expect(kernel.storeStatistics()).to.include({ pending: 0 })
      expect(kernel.storeStatistics().messages).to.be.at.most(2)
      expect(bus.recipients().map(({ pending }) => pending)).to.satisfy((all: readonly number[]) => !all.some(Boolean))
    }
  })

  it('is lifted by its publisher, which says so with the version', async () => {
    const states = new States()
    const lab = await labOf(['a-b'], states.plugins)
    const versions = [1_000, 3_000, 2_000].map((ms) => stamp(lab.now('a') + ms))
    const answers = []
    for (const version of versions) answers.push((await lab.publish('a', 'm', { ...write, version }))?.status)
    expect(answers).to.deep.equal(['stored', 'duplicate', 'duplicate'])
    await lab.pass(30_000)
    expect([...(await states.versions(['a', 'b']))]).to.deep.equal([versions[1]])
  })

  it('keeps its stamp when its publisher repeats it without one: nothing newer is undone', async () => {
    const states = new States()
    const lab = await labOf(['a-b'], states.plugins)
    await lab.publish('a', 'm', write)
    const later = await lab.listen('b')
    await lab.publish('b', 'newer', { ...write, value: 2 })
    const [newer] = await states.versions(['b'])
    for (const name of ['a', 'b']) {
      expect(await lab.publish(name, 'm', write)).to.include({ status: 'duplicate' })
    }
    await lab.pass(30_000)
    expect([...(await states.versions(['a', 'b']))]).to.deep.equal([newer])
    expect(idsIn(later)).to.deep.equal(['newer'])
  })

  it('is held until it is due when the greater one lies ahead', async () => {
    const states = new States()
    const lab = await labOf(['a-b'], states.plugins)
    const [near, far] = [stamp(lab.now('a')), stamp(lab.now('a') + 120_000)]
    await lab.publish('a', 'm', { ...write, version: near })
    await lab.publish('a', 'm', { ...write, version: far })
    await lab.pass(10_000)
    expect([...(await states.versions(['a', 'b']))]).to.deep.equal([near])
    await lab.pass(120_000)
    expect([...(await states.versions(['a', 'b']))]).to.deep.equal([far])
  })

  it('outlives the instance that has acknowledged the greater one', async () => {
    const states = new States()
    const lab = await labOf(['a-b'], states.plugins)
    const [lesser, greater] = [stamp(lab.now('a')), stamp(lab.now('a') + 1)]
    await lab.publish('a', 'm', { ...write, version: lesser })
    await lab.stop('b')
    expect(await lab.publish('a', 'm', { ...write, version: greater })).to.include({ status: 'duplicate' })
    await lab.stop('a')
    await lab.start('b')
    await lab.start('a')
    await lab.pass(30_000)
    expect([...(await states.versions(['a', 'b']))]).to.deep.equal([greater])
  })

  it('is passed on by an instance that keeps no state, and by one that does not know its type', async () => {
    for (const knows of [true, false]) {
      const states = new States()
      const plugins = (name: string) => (name !== 'b' ? states.plugins(name) : knows ? [setKey()] : [])
      const lab = await labOf(['a-b', 'c-b'], plugins)
      await lab.step('c', 20_000)
      await sendTwice(lab, { ...MESHES.star, between: ['b'] as never, entries: ['a', 'c'] as never })
      const [version, ...others] = await states.versions(['a', 'c'])
      expect(others).to.deep.equal([])
      expect(version).to.match(/-c$/)
    }
  })

  it('stays a duplicate where no state is made of its type', async () => {
    const lab = await labOf(['a-b'])
    const written = (version: string) => lab.publish('a', 'm', { key: 'k', version })
    expect(await written(stamp(lab.now('a')))).to.include({ status: 'stored' })
    expect(await written(stamp(lab.now('a') + 5))).to.include({ status: 'duplicate' })
    await lab.pass(10_000)
    expect(lab.at('a').applied).to.deep.equal(['m'])
    expect(lab.at('b').applied).to.deep.equal(['m'])
    expect(lab.at('b').kernel.storeStatistics().messages).to.equal(1)
  })
})
