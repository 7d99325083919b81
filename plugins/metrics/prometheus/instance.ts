import type { Registry } from 'prom-client'
import { type Kernel, VERSION } from '../../../core/index.ts'
import { counter, gauge } from './series.ts'

/** What runs here, and what each of its plugins costs. */
export function measureInstance({ plugins }: Kernel, registry: Registry): void {
  const build = { name: 'build_info', help: 'Always 1; the labels say what runs.', labels: ['version', 'node_version'] }
  const labels = { version: VERSION, node_version: process.version }
  gauge(registry, build, () => [{ labels, value: 1 }])

  const seconds = { name: 'plugin_seconds_total', help: 'Time spent in the taps of a plugin.', labels: ['plugin'] }
  counter(registry, seconds, () =>
    plugins().map(({ name, milliseconds }) => ({ labels: { plugin: name }, value: milliseconds / 1000 })),
  )

  const faults = { name: 'plugin_faults_total', help: 'Times that a plugin failed in a tap.', labels: ['plugin'] }
  counter(registry, faults, () => plugins().map(({ name, faults }) => ({ labels: { plugin: name }, value: faults })))
}
