import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import type { Plugin } from '../../core/index.ts'
import { convergenceSuite, Replica, type Written, written } from '../../core/testing/index.ts'
import { MemoryState } from '../../plugins/state/memory.ts'
import { type Instance, install } from '../acceptance/support/instance.ts'
import { get, startMesh } from '../acceptance/support/mesh.ts'
import { Stage } from '../acceptance/support/stage.ts'
import { until } from '../acceptance/support/until.ts'
import { closeClients, connect } from '../support/client.ts'
import { compile } from './compile.ts'

const PACKAGE = fileURLToPath(new URL('slipstream-plugin-or-set', import.meta.url))

const PACKAGES = { 'slipstream-plugin-or-set': PACKAGE }

interface OrSetOptions {
  readonly onChange?: (key: string, members: readonly string[]) => void
}

// By a path that the compiler does not follow: it would look for `slipstream` beside the package, where users install it.
const { default: orSet } = (await import(join(PACKAGE, 'index.ts'))) as { default: (options?: OrSetOptions) => Plugin }

describe("a type with a merge of its own, a stranger's package slipstream-plugin-or-set", () => {
  describe('under the tests that the built-in types pass: instances', () => {
    const makeState = () => {
      const backend = new MemoryState()
      return { instance: () => backend, destroy: async () => {} }
    }
    const write = (n: number, random: () => number): Written => {
      const below = (limit: number) => Math.floor(random() * limit)
      const key = `card:${below(3)}`
      if (random() < 0.6) return { type: 'or.set', key, add: `member-${below(4)}` }
      // Some of which have not been seen by anybody yet.
      return { type: 'or.set', key, remove: Array.from({ length: below(4) }, () => `message-${1 + below(n + 5)}`) }
    }
    for (const { name, run } of convergenceSuite({ plugins: () => [orSet()], makeState, write })) it(name, run)
  })

  describe('at one instance', () => {
    let replica: Replica

    const open = async (options: OrSetOptions = {}) => {
      replica = await Replica.open([orSet(options)], new MemoryState())
    }
    const message = (messageId: string, body: object) =>
      written({ type: 'or.set', key: 'card:7', ...body }, { messageId, version: messageId })

    afterEach(() => replica.close())

    it('answers who is in a set, and what holds each there', async () => {
      await open()
      await replica.apply(message('m-1', { add: 'vip' }), message('m-2', { add: 'eu' }))
      await replica.apply(message('m-3', { remove: ['m-2'] }))
      const asked = { type: 'or.members', key: 'card:7' }
      expect(await replica.ask(asked)).to.deep.equal({ value: '{"vip":["m-1"]}', version: 'm-3' })
      expect(await replica.ask({ ...asked, key: 'none' })).to.equal(undefined)
    })

    it('tells of the members when they may have changed', async () => {
      const told: (readonly [string, readonly string[]])[] = []
      await open({ onChange: (key, members) => void told.push([key, members]) })
      await replica.applyTogether([message('m-1', { add: 'b' }), message('m-2', { add: 'a' })])
      await replica.apply(message('m-3', { remove: ['m-1'] }))
      expect(told).to.deep.equal([
        ['card:7', ['a', 'b']],
        ['card:7', ['a']],
      ])
    })
  })

  describe('installed at three instances', function () {
    this.timeout(60_000)

    let stage: Stage

    beforeEach(async () => {
      stage = await Stage.open()
    })

    afterEach(async () => {
      await closeClients()
      await stage.close()
    })

    /** Keeps what the plugin tells in a file of the instance's folder. */
    async function prepare({ folder }: Instance): Promise<void> {
      await install(folder, PACKAGES)
      await writeFile(
        join(folder, 'slipstream.config.ts'),
        `import { writeFileSync } from 'node:fs'
        import { defineConfig, standard } from 'slipstream/config'

        const onChange = (key: string, members: object) => writeFileSync('members.json', JSON.stringify({ key, members }))

        export default defineConfig({ plugins: [standard(), ['slipstream-plugin-or-set', { onChange }]] })`,
      )
    }

    const source = `import type { BodyOf } from 'slipstream'
        import { defineConfig, standard } from 'slipstream/config'
        import orSet from 'slipstream-plugin-or-set'

        export default defineConfig({ plugins: [standard(), orSet()] })
        export const change: BodyOf<'or.set'> = { key: 'card:7', add: 'vip', remove: ['m-1'] }
        export const set: BodyOf<'SK'> = { key: 'one', value: 1 }`

    it('compiles under strict rules, and its body is known beside those of the built-in types', async () => {
      expect(await compile(stage, PACKAGES, source)).to.equal('')
    })

    it('does not compile with a body of the wrong type', async () => {
      expect(await compile(stage, PACKAGES, source.replace("'vip'", '7'))).to.include('TS2322')
    })

    it('comes to the same when two of them change a set while they cannot hear of each other', async () => {
      const line = await startMesh(stage, [
        { name: 'left', prepare },
        { name: 'middle', dials: ['left'], prepare },
        { name: 'right', dials: ['middle'], prepare },
      ])
      const toldAt = (name: string) =>
        readFile(join(get(line, name).folder, 'members.json'), { encoding: 'utf8', flag: 'a+' })
      const untilAll = (names: readonly string[], members: readonly string[]) =>
        until(`${names} have ${members}`, async () => {
          const told = await Promise.all(names.map(toldAt))
          return told.every((text) => text === JSON.stringify({ key: 'card:7', members }))
        })
      const change = (messageId: string, body: object) => ({ type: 'or.set', key: 'card:7', messageId, ...body })
      const [left, right] = [await connect(get(line, 'left')), await connect(get(line, 'right'))]
      await left.publish(change('m-1', { add: 'vip' }))
      await untilAll(['left', 'middle', 'right'], ['vip'])
      await get(line, 'middle').end('SIGKILL')
      await left.publish(change('m-2', { remove: ['m-1'] }))
      await right.publish(change('m-3', { add: 'vip' }))
      await right.publish(change('m-4', { add: 'eu' }))
      await untilAll(['left'], [])
      await untilAll(['right'], ['eu', 'vip'])
      await get(line, 'middle').start()
      await untilAll(['left', 'middle', 'right'], ['eu', 'vip'])
      const asking = await connect(get(line, 'left'))
      asking.send({ type: 'or.members', key: 'card:7', messageId: 'asked' })
      const { body } = await asking.next(({ correlationId }) => correlationId === 'asked')
      expect(body).to.deep.include({ type: 'REPLY', value: { eu: ['m-4'], vip: ['m-3'] } })
    })
  })
})
