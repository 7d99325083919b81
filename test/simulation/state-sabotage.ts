import type { Plugin, StateBackend, StateEntry } from '../../core/index.ts'
import type { Sabotage } from './scenario.ts'

/** Later than anything. */
const END_OF_TIME = '9999999999999-99999-~'

/** Faults in how state is kept. */
export const stateSabotages: Readonly<Record<string, Sabotage>> = {
  'a state that keeps what came last': {
    state: (state) => changed(state, { join: (deltas) => putAll(state, deltas) }),
  },
  'a state that forgets what was deleted': {
    state: (state) => changed(state, { join: (deltas) => forget(state, deltas) }),
  },
  'a state that says it has joined before it has': { plugins: (plugins) => plugins.map(hasty) },
  'a state that reads what was there before': { state: stale },
  'an instance that comes back and brings what was deleted': {
    state: (state) => changed(state, { swap: async (expected, next) => (next ? state.swap(expected, next) : true) }),
    seeds: [250, 300, 350, 400],
  },
  'instances that never compare what they hold': {
    plugins: (plugins) => plugins.filter(({ name }) => name !== 'catch-up'),
  },
}

async function putAll(state: StateBackend, deltas: readonly StateEntry[]) {
  for (const delta of deltas) await state.swap((await state.read([delta]))[0], delta)
  return deltas.map(() => 'applied' as const)
}

async function forget(state: StateBackend, deltas: readonly StateEntry[]) {
  const outcomes = await state.join(deltas)
  await state.purgeTombstones(END_OF_TIME, Number.POSITIVE_INFINITY)
  return outcomes
}

function hasty(plugin: Plugin): Plugin {
  if (plugin.name !== 'state-simulated') return plugin
  return {
    name: plugin.name,
    apply: (kernel) =>
      plugin.apply(
        Object.create(kernel, {
          stateBackend: {
            value: (state: StateBackend) => kernel.stateBackend(changed(state, { join: answer(state) })),
          },
        }),
      ),
  }
}

function answer(state: StateBackend): StateBackend['join'] {
  return async (deltas) => {
    state.join(deltas).catch(() => {})
    return deltas.map(() => 'applied')
  }
}

/** Of each key it reads the entry that was there before the last change. */
function stale(state: StateBackend): StateBackend {
  const before = new Map<string, StateEntry | undefined>()
  return changed(state, {
    async join(deltas) {
      const entries = await state.read(deltas)
      for (const [index, { key }] of deltas.entries()) before.set(key, entries[index])
      return state.join(deltas)
    },
    read: async (keys) => keys.map(({ key }) => before.get(key)),
  })
}

function changed(state: StateBackend, changes: Partial<Pick<StateBackend, 'join' | 'read' | 'swap'>>): StateBackend {
  return {
    name: state.name,
    open: (context) => state.open(context),
    join: (deltas) => state.join(deltas),
    read: (keys) => state.read(keys),
    swap: (expected: StateEntry | undefined, next: StateEntry | undefined) =>
      state.swap(expected as StateEntry, next as undefined),
    digests: () => state.digests(),
    entriesIn: (buckets, after, limit) => state.entriesIn(buckets, after, limit),
    scan: (after, limit) => state.scan(after, limit),
    remembered: () => state.remembered(),
    purgeTombstones: (beforeVersion, limit) => state.purgeTombstones(beforeVersion, limit),
    note: (name) => state.note(name),
    keepNote: (name, text) => state.keepNote(name, text),
    statistics: () => state.statistics(),
    close: () => state.close(),
    ...changes,
  }
}
