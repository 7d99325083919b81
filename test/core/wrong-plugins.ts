import { type ErrorCode, type Settings, VERSION } from '../../core/index.ts'
import { MemoryState } from '../../plugins/state/memory.ts'
import { MemoryStore } from '../../plugins/stores/memory.ts'
import { plugin, storing, type } from './plugin-support.ts'

/** Plugins with which no bus may start. */
export interface Wrong {
  readonly what: string
  readonly plugins: readonly unknown[]
  readonly settings?: Partial<Settings>
  readonly code: ErrorCode
  /** What the message must name, so that it helps. */
  readonly names: readonly string[]
}

const schema = { type: 'object', additionalProperties: false, properties: { port: { type: 'integer' } } }

export const wrong: readonly Wrong[] = [
  {
    what: 'two plugins of one name',
    plugins: [storing, plugin('rates'), plugin('rates')],
    code: 'SLP_PLUGIN_DUPLICATE',
    names: ['rates'],
  },
  {
    what: 'a factory that was not called',
    plugins: [storing, function rates() {}],
    code: 'SLP_PLUGIN_INVALID',
    names: ['rates'],
  },
  {
    what: 'a plugin without apply',
    plugins: [storing, { name: 'rates' }],
    code: 'SLP_PLUGIN_INVALID',
    names: ['rates'],
  },
  {
    what: 'a plugin without a name',
    plugins: [storing, plugin('')],
    code: 'SLP_PLUGIN_INVALID',
    names: ['apply(kernel)'],
  },
  { what: 'null among the plugins', plugins: [storing, null], code: 'SLP_PLUGIN_INVALID', names: ['null'] },
  { what: 'a string among the plugins', plugins: [storing, 'rates'], code: 'SLP_PLUGIN_INVALID', names: ['string'] },
  {
    what: 'a type that is claimed twice',
    plugins: [storing, plugin('one', type('fx.rate')), plugin('two', type('fx.rate'))],
    code: 'SLP_TYPE_TAKEN',
    names: ['fx.rate', 'one'],
  },
  {
    what: 'a schema that does not compile',
    plugins: [
      storing,
      plugin('rates', (kernel) =>
        kernel.messageType('fx.rate', {
          schema: { type: 'object', required: [], properties: { rate: { type: 'nubmer' } } },
        }),
      ),
    ],
    code: 'SLP_TYPE_SCHEMA',
    names: ['fx.rate'],
  },
  { what: 'no store at all', plugins: [plugin('rates')], code: 'SLP_STORE_MISSING', names: ['sqlite()', 'memory()'] },
  {
    what: 'two stores',
    plugins: [storing, plugin('second', (kernel) => kernel.store(new MemoryStore()))],
    code: 'SLP_STORE_TAKEN',
    names: ['store'],
  },
  {
    what: 'two state backends',
    plugins: [
      storing,
      ...['first', 'second'].map((name) => plugin(name, (kernel) => kernel.stateBackend(new MemoryState()))),
    ],
    code: 'SLP_STATE_TAKEN',
    names: ['first'],
  },
  {
    what: 'a plugin for another version of slipstream',
    plugins: [storing, plugin('old', undefined, { slipstream: '^0.4.0' })],
    code: 'SLP_PLUGIN_VERSION',
    names: ['old', '^0.4.0', VERSION],
  },
  {
    what: 'a range of versions that is none',
    plugins: [storing, plugin('odd', undefined, { slipstream: 'latest and greatest' })],
    code: 'SLP_PLUGIN_VERSION',
    names: ['odd'],
  },
  {
    what: 'options against the plugin’s own schema',
    plugins: [storing, plugin('web', undefined, { options: { port: 'x' }, optionsSchema: schema })],
    code: 'SLP_PLUGIN_OPTIONS',
    names: ['web', 'options/port must be integer'],
  },
  {
    what: 'an option that the plugin does not know',
    plugins: [storing, plugin('web', undefined, { options: { prot: 1 }, optionsSchema: schema })],
    code: 'SLP_PLUGIN_OPTIONS',
    names: ['web', 'prot'],
  },
  {
    what: 'a plugin whose requirement is not loaded',
    plugins: [storing, plugin('dashboard', undefined, { requires: ['http'] })],
    code: 'SLP_PLUGIN_REQUIRES',
    names: ['dashboard', 'http'],
  },
  {
    what: 'a plugin whose requirement is loaded too late',
    plugins: [storing, plugin('dashboard', undefined, { requires: ['http'] }), plugin('http')],
    code: 'SLP_PLUGIN_REQUIRES',
    names: ['dashboard', 'http'],
  },
  {
    what: 'a service that nobody offers',
    plugins: [storing, plugin('eager', (kernel) => kernel.use('test.clock'))],
    code: 'SLP_SERVICE_MISSING',
    names: ['test.clock'],
  },
  {
    what: 'a service that is offered twice',
    plugins: ['one', 'two'].map((name) => plugin(name, (kernel) => kernel.provide('test.clock', Date))),
    code: 'SLP_SERVICE_TAKEN',
    names: ['test.clock'],
  },
  {
    what: 'a plugin that throws while it is applied',
    plugins: [
      storing,
      plugin('broken', () => {
        throw new Error('no licence')
      }),
    ],
    code: 'SLP_PLUGIN_FAILED',
    names: ['broken', 'apply', 'no licence'],
  },
  {
    what: 'a plugin that never ends to be applied',
    plugins: [storing, plugin('stuck', () => new Promise(() => {}))],
    settings: { tapBudgetMs: 20 },
    code: 'SLP_PLUGIN_TIMEOUT',
    names: ['stuck', 'apply', 'tapBudgetMs'],
  },
  {
    what: 'a plugin that fails when the bus starts',
    plugins: [
      storing,
      plugin('late', (kernel) => kernel.hooks.start.tapPromise(() => Promise.reject(new Error('no file')))),
    ],
    code: 'SLP_PLUGIN_FAILED',
    names: ['late', 'start', 'no file'],
  },
  {
    what: 'a peer that no transport dials',
    plugins: [storing],
    settings: { peers: [{ url: 'gopher://b' }] },
    code: 'SLP_TRANSPORT_UNKNOWN',
    names: ['gopher://b'],
  },
  {
    what: 'a peer whose url is none',
    plugins: [storing],
    settings: { peers: [{ url: 'b' }] },
    code: 'SLP_TRANSPORT_UNKNOWN',
    names: ['b'],
  },
]
