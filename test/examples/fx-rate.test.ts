import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { Instance, install } from '../acceptance/support/instance.ts'
import { get, startMesh, untilKnown } from '../acceptance/support/mesh.ts'
import { Stage } from '../acceptance/support/stage.ts'
import { until } from '../acceptance/support/until.ts'
import { closeClients, connect, nextMessage } from '../support/client.ts'
import { compile } from './compile.ts'

const PACKAGE = fileURLToPath(new URL('slipstream-plugin-fx-rate', import.meta.url))
const PACKAGES = { 'slipstream-plugin-fx-rate': PACKAGE }

describe("a stranger's package, slipstream-plugin-fx-rate", function () {
  this.timeout(60_000)

  let stage: Stage

  beforeEach(async () => {
    stage = await Stage.open()
  })

  afterEach(async () => {
    await closeClients()
    await stage.close()
  })

  describe('loaded by its name', () => {
    /** Keeps what the plugin applies in a file of the instance's folder. */
    const configured = (options: string) => async (instance: Instance) => {
      const { folder } = instance
      await install(folder, PACKAGES)
      await writeFile(
        join(folder, 'slipstream.config.ts'),
        `import { appendFileSync } from 'node:fs'
        import { defineConfig, standard } from 'slipstream/config'

        const onRate = (rate: object) => appendFileSync('rates.jsonl', JSON.stringify(rate) + '\\n')

        export default defineConfig({
          plugins: [standard(), ['slipstream-plugin-fx-rate', { ${options} }]],
        })`,
      )
    }

    const startLine = () =>
      startMesh(stage, [
        { name: 'left', prepare: configured('maxRate: 1000') },
        { name: 'middle', dials: ['left'] },
        { name: 'right', dials: ['middle'], prepare: configured('maxRate: 1000, onRate') },
      ])

    const rate = (messageId: string, value: unknown, pair = 'EUR/USD') => ({
      type: 'fx.rate',
      messageId,
      pair,
      rate: value,
      targetedTags: ['desk'],
    })

    it('its message type travels over an instance that does not know it, and is applied where it is known', async () => {
      const line = await startLine()
      const right = get(line, 'right')
      const desk = await connect(right, { name: 'desk', tags: ['desk'] })
      await untilKnown(line.values(), ['desk'])
      const publisher = await connect(get(line, 'left'))
      expect(await publisher.publish(rate('one', 1.25))).to.include({ type: 'ACK', status: 'stored', recipients: 1 })
      expect((await nextMessage(desk)).body).to.deep.include({
        messageId: 'one',
        rate: 1.25,
        orderingKey: 'EUR/USD',
        messagePath: ['left', 'middle', 'right'],
      })
      publisher.send({ ...rate('two', 1.5), targetedTags: [] })
      const applied = () => readFile(join(right.folder, 'rates.jsonl'), { encoding: 'utf8', flag: 'a+' })
      await until('the rate is applied', async () => (await applied()) === '{"pair":"EUR/USD","rate":1.5}\n')
    })

    it('a body that does not fit is refused where it enters, and so is the type where nobody knows it', async () => {
      const line = await startLine()
      const known = await connect(get(line, 'left'))
      const unknown = await connect(get(line, 'middle'))
      const refusal = { type: 'NACK', code: 'INVALID_MESSAGE', retryable: false }
      expect(await known.publish(rate('text', '1.25'))).to.include({ ...refusal, reason: '/rate must be number' })
      expect(await known.publish(rate('high', 1_001))).to.include({ ...refusal, reason: '/rate must be <= 1000' })
      expect(await known.publish(rate('odd', 1, 'euro'))).to.include(refusal)
      expect(await unknown.publish(rate('stray', 1.25))).to.include({ type: 'NACK', code: 'UNKNOWN_TYPE' })
    })

    it('options that its schema refuses keep the instance from starting, and are named', async () => {
      const instance = await Instance.create(stage, 'left')
      await instance.tell({ environment: instance.asEnvironment() })
      await configured('maxRate: -1')(instance)
      const child = instance.spawn()
      expect(await child.ended).to.deep.equal({ code: 2, signal: null })
      expect(child.output)
        .to.include('SLP_PLUGIN_OPTIONS')
        .and.include('slipstream-plugin-fx-rate')
        .and.include('maxRate')
    })
  })

  describe('seen by the compiler', () => {
    const withTypes = (statements: string) =>
      `import type { BodyOf, Kernel } from 'slipstream'
      import { defineConfig, standard } from 'slipstream/config'
      import fxRate from 'slipstream-plugin-fx-rate'

      export default defineConfig({ plugins: [standard(), fxRate({ maxRate: 1000 })] })
      ${statements}`

    it('its body is known beside those of the built-in types', async () => {
      const right = `
        export const rate: BodyOf<'fx.rate'> = { pair: 'EUR/USD', rate: 1.25 }
        export const set: BodyOf<'SK'> = { key: 'one', value: 1 }`
      expect(await compile(stage, PACKAGES, withTypes(right))).to.equal('')
    })

    const wrong: readonly (readonly [what: string, statement: string, complaint: RegExp])[] = [
      [
        'a member of the wrong type',
        `export const rate: BodyOf<'fx.rate'> = { pair: 'EUR/USD', rate: '1.25' }`,
        /TS2322/,
      ],
      ['a missing member', `export const rate: BodyOf<'fx.rate'> = { pair: 'EUR/USD' }`, /TS2741/],
      ['a member too many', `export const rate: BodyOf<'fx.rate'> = { pair: 'EUR/USD', rate: 1, bid: 2 }`, /TS2353/],
      ['a wrong body of a built-in type', `export const set: BodyOf<'SK'> = { name: 'one' }`, /TS2353/],
      ['an option of the wrong type', `fxRate({ maxRate: '1000' })`, /TS2322/],
      [
        'a schema that contradicts the body',
        schema(`{ pair: { type: 'string' }, rate: { type: 'string' } }`),
        /TS2322/,
      ],
      ['a schema that leaves a member out', schema(`{ pair: { type: 'string' } }`), /TS2741/],
    ]

    for (const [what, statement, complaint] of wrong) {
      it(`${what} does not compile`, async () => {
        const said = await compile(stage, PACKAGES, withTypes(statement))
        expect(said).to.match(complaint)
        expect(said.match(/error TS/g), said).to.have.lengthOf(1)
      })
    }
  })
})

/** A plugin that registers the type with these properties in its schema. */
function schema(properties: string): string {
  return `export const apply = (kernel: Kernel) =>
    kernel.messageType('fx.rate', { schema: { type: 'object', required: ['pair', 'rate'], properties: ${properties} } })`
}
