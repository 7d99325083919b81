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
  /** Called with each rate that is for this instance and newer than the one it has. */
  readonly onRate?: (rate: FxRate) => void
}

/** Foreign-exchange rates. The newest rate of a pair wins. */
export default function fxRate(options: FxRateOptions = {}): Plugin {
  const { maxRate = 1_000_000, onRate } = options
  const newest = new Map<string, string>()
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
        apply(messages) {
          for (const { body, version = '' } of messages) {
            if (version <= (newest.get(body.pair) ?? '')) continue
            newest.set(body.pair, version)
            onRate?.({ pair: body.pair, rate: body.rate })
          }
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
