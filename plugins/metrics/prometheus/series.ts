import { Counter, Gauge, type Registry } from 'prom-client'

export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Family {
  /** Without `slipstream_`. */
  readonly name: string
  readonly help: string
  readonly labels?: readonly string[]
}

/**
 * Metrics whose values are asked for when Prometheus asks. What is counted for every message is kept in plain numbers
 * until then: an increment of a labelled prom-client counter costs more than the rest of a tap.
 */
export function counter(registry: Registry, family: Family, samples: () => Iterable<Sample>): void {
  new Counter({
    ...shared(registry, family),
    collect() {
      this.reset()
      for (const { labels, value } of samples()) this.inc(labels, value)
    },
  })
}

/** As `counter`, for what may fall. */
export function gauge(registry: Registry, family: Family, samples: () => Iterable<Sample>): void {
  new Gauge({
    ...shared(registry, family),
    collect() {
      this.reset()
      for (const { labels, value } of samples()) this.set(labels, value)
    },
  })
}

/** The one sample of a family without labels. */
export function single(value: number): readonly Sample[] {
  return [{ labels: {}, value }]
}

function shared(registry: Registry, { name, help, labels = [] }: Family) {
  return { name: `slipstream_${name}`, help, labelNames: [...labels], registers: [registry] }
}
