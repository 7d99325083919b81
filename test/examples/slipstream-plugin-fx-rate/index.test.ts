import { expect } from 'chai'
import type { Kernel, Message, MessageType, TypeState } from 'slipstream'
import fxRate, { type FxRate, type FxRateOptions } from './index.ts'

/** What the plugin registers, as the kernel would get it. */
function registered(options: FxRateOptions): MessageType<FxRate> {
  const types: MessageType<FxRate>[] = []
  const kernel = { messageType: (_name: string, type: MessageType<FxRate>) => types.push(type) }
  fxRate(options).apply(kernel as unknown as Kernel)
  return types[0] as MessageType<FxRate>
}

const message = (pair: string, rate: number) => ({ body: { pair, rate } }) as Message<FxRate>

describe('slipstream-plugin-fx-rate', () => {
  it('keeps the newest rate of each pair, and tells of those that are', async () => {
    const told: FxRate[] = []
    const kept: string[] = []
    const state = {
      putNewest: async (messages: readonly Message<FxRate>[], keyOf: (message: Message<FxRate>) => string) => {
        kept.push(...messages.map(keyOf))
        return ['applied', 'superseded', 'applied']
      },
    } as unknown as TypeState<FxRate>
    const { apply } = registered({ onRate: (rate) => told.push(rate) })
    await apply?.([message('EUR/USD', 1.25), message('EUR/USD', 1.2), message('EUR/CHF', 0.9)], { state })
    expect(kept).to.deep.equal(['EUR/USD', 'EUR/USD', 'EUR/CHF'])
    expect(told).to.deep.equal([
      { pair: 'EUR/USD', rate: 1.25 },
      { pair: 'EUR/CHF', rate: 0.9 },
    ])
  })

  it('keeps the order of each pair, and refuses rates beyond its option', () => {
    const { schema, orderingKey } = registered({ maxRate: 10 })
    expect(orderingKey?.({ pair: 'EUR/USD', rate: 1 })).to.equal('EUR/USD')
    expect(schema.properties.rate).to.include({ maximum: 10 })
  })
})
