import { expect } from 'chai'
import type { Kernel, Message, MessageType } from 'slipstream'
import fxRate, { type FxRate, type FxRateOptions } from './index.ts'

/** What the plugin registers, as the kernel would get it. */
function registered(options: FxRateOptions): MessageType<FxRate> {
  const types: MessageType<FxRate>[] = []
  const kernel = { messageType: (_name: string, type: MessageType<FxRate>) => types.push(type) }
  fxRate(options).apply(kernel as unknown as Kernel)
  return types[0] as MessageType<FxRate>
}

const message = (version: string, pair: string, rate: number) => ({ version, body: { pair, rate } }) as Message<FxRate>

describe('slipstream-plugin-fx-rate', () => {
  it('tells the newest rate of each pair, and of those that come late, none', async () => {
    const told: FxRate[] = []
    const type = registered({ onRate: (rate) => told.push(rate) })
    await type.apply?.([message('2', 'EUR/USD', 1.25), message('1', 'EUR/USD', 1.2), message('1', 'EUR/CHF', 0.9)])
    await type.apply?.([message('2', 'EUR/USD', 1.25), message('3', 'EUR/USD', 1.5)])
    expect(told).to.deep.equal([
      { pair: 'EUR/USD', rate: 1.25 },
      { pair: 'EUR/CHF', rate: 0.9 },
      { pair: 'EUR/USD', rate: 1.5 },
    ])
  })

  it('keeps the order of each pair, and refuses rates beyond its option', () => {
    const { schema, orderingKey } = registered({ maxRate: 10 })
    expect(orderingKey?.({ pair: 'EUR/USD', rate: 1 })).to.equal('EUR/USD')
    expect(schema.properties.rate).to.include({ maximum: 10 })
  })
})
