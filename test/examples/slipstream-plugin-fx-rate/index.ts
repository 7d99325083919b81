import type { BodySchema, Plugin } from 'slipstream'

export interface FxRate {
  readonly pair: string
  readonly rate: number
}

declare module 'slipstream' {
  interface MessageTypes {
    'fx.rate': FxRate
  }
}

export interface FxRateOptions {
  /** Rates beyond it are refused. Default one million. */
  readonly maxRate?: number
  /** Called with each rate that is the newest of its pair here; perhaps again after a restart. */
  readonly onRate?: (rate: FxRate) => void
}

/** Foreign-exchange rates. The newest rate of a pair wins everywhere. */
export default function fxRate(options: FxRateOptions = {}): Plugin {
  const { maxRate = 1_000_000, onRate } = options
  return {
    name: 'slipstream-plugin-fx-rate',
    version: '1.0.0',
    slipstream: '^1.0.0',
    options,
    optionsSchema,
    apply(kernel) {
      kernel.messageType('fx.rate', {
        schema: bodySchema(maxRate),
        orderingKey: ({ pair }) => pair,
        merge: 'newest',
        async apply(messages, { state }) {
          const outcomes = await state.putNewest(messages, ({ body }) => body.pair)
          messages.forEach(({ body: { pair, rate } }, index) => {
            if (outcomes[index] === 'applied') onRate?.({ pair, rate })
          })
        },
      })
    },
  }
}

const optionsSchema = {
  type: 'object',
  properties: { maxRate: { type: 'number', exclusiveMinimum: 0 }, onRate: {} },
  additionalProperties: false,
}

const bodySchema = (maxRate: number): BodySchema<FxRate> => ({
  type: 'object',
  required: ['pair', 'rate'],
  properties: {
    pair: { type: 'string', pattern: '^[A-Z]{3}/[A-Z]{3}$' },
    rate: { type: 'number', exclusiveMinimum: 0, maximum: maxRate },
  },
})
