import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Ajv } from 'ajv'
import { expect } from 'chai'
import { asyncapi } from '../../config/asyncapi.ts'
import { readLine } from '../../core/protocol/read-frame.ts'
import { startBus } from '../support/bus.ts'
import { connect } from '../support/client.ts'

interface Message {
  readonly payload: { readonly pattern?: string; readonly properties?: object }
  readonly examples: readonly { readonly payload: unknown }[]
}

interface Document {
  readonly channels: Readonly<Record<string, { readonly messages: object }>>
  readonly components: { readonly messages: Readonly<Record<string, Message>> }
}

const require = createRequire(import.meta.url)
const kept = readFileSync(new URL('../../core/protocol/asyncapi.json', import.meta.url), 'utf8')
const { channels, components } = JSON.parse(kept) as Document
const isLine = (name: string) => name in (channels.linked?.messages ?? {})

describe('config: the AsyncAPI document', () => {
  it('is what the code says; `npm run schema` writes it anew', async () => {
    expect(JSON.parse(kept)).to.deep.equal(JSON.parse(JSON.stringify(await asyncapi())))
  })

  it('is a valid one of version 3', () => {
    const ajv = new Ajv({ strict: false, validateFormats: false, logger: false, meta: false, validateSchema: false })
    const validate = ajv.compile(require('@asyncapi/specs/schemas/3.0.0.json') as object)
    expect(validate(JSON.parse(kept)), JSON.stringify(validate.errors?.slice(0, 3))).to.equal(true)
    const { asyncapi: _, ...headless } = JSON.parse(kept) as Record<string, unknown>
    expect(validate(headless)).to.equal(false)
  })

  it('has every type that the standard plugins bring, and every kind of line', async () => {
    expect(Object.keys(channels.plain?.messages ?? {})).to.include.members([
      ...['SK', 'SA', 'SW', 'DEL', 'GK', 'GA', 'GW', 'CMD', 'REPLY', 'ACK', 'NACK', 'HELLO', 'SUBSCRIBE', 'SYNC'],
    ])
    expect(Object.keys(channels.linked?.messages ?? {})).to.deep.equal([
      ...['message', 'whole', 'ack', 'nack', 'credit', 'pulse', 'hello', 'optional'],
    ])
  })

  for (const [name, { payload, examples }] of Object.entries(components.messages)) {
    it(`has examples of ${name} that fit`, () => {
      const validate = new Ajv({ strict: false }).compile(payload)
      for (const example of examples) expect(validate(example.payload), JSON.stringify(validate.errors)).to.equal(true)
      expect(validate(isLine(name) ? 'é' : { type: 'nobodys' })).to.equal(false)
      if (isLine(name)) for (const example of examples) readLine(example.payload as string)
    })
  }

  it('has examples that an instance understands', async () => {
    const client = await connect(await startBus())
    for (const name of ['SK', 'SA', 'SW', 'DEL']) {
      const example = components.messages[name]?.examples[0]?.payload as object
      expect(await client.publish({ ...example, messageId: `x-${name}` })).to.include({ type: 'ACK' })
    }
  })
})
