import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'mocha'
import {
  type Kernel,
  type Plugin,
  SHARED_SPACE,
  type StateBackend,
  type StateEntry,
  systemRuntime,
  weightsOf,
} from '../../../../core/index.ts'
import type { SyncFrame } from '../../../../plugins/state/catch-up/frames.ts'
import { catchUp } from '../../../../plugins/state/catch-up/index.ts'
import { MemoryState } from '../../../../plugins/state/memory.ts'
import { OwnFile, SqliteState } from '../../../../plugins/state/sqlite/index.ts'
import { keeping, type RunningBus, type StartOptions, startBus } from '../../../support/bus.ts'
import { connect } from '../../../support/client.ts'

const folders: string[] = []

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

/** A state that several buses may open, one after the other. */
export const backends: Readonly<Record<string, () => StateBackend>> = {
  memory: () => new MemoryState(),
  sqlite: () => {
    const folder = mkdtempSync(join(tmpdir(), 'slipstream-catch-up-'))
    folders.push(folder)
    return new SqliteState(new OwnFile(join(folder, 'state.db'), 1024 ** 3))
  },
}

export const at = (n: number) => `${String(1_767_225_600_000 + n)}-00000-a`
export const value = (key: string, n: number, text = `"${key} ${n}"`): StateEntry => ({
  space: SHARED_SPACE,
  key,
  shape: 'value',
  version: at(n),
  value: text,
})
export const deleted = (key: string, n: number): StateEntry => ({
  space: SHARED_SPACE,
  key,
  shape: 'tombstone',
  version: at(n),
})
export const weights = (key: string, n: number, members: Readonly<Record<string, string | null>>): StateEntry =>
  weightsOf(
    SHARED_SPACE,
    key,
    Object.entries(members).map(([member, weight]) => ({ member, weight, version: at(n) })),
  ) as StateEntry

/** Puts entries into a state that no bus has opened. */
export async function filled(state: StateBackend, ...entries: readonly StateEntry[]): Promise<StateBackend> {
  await state.open({ runtime: systemRuntime, joinedBy: () => undefined })
  await state.join(entries)
  await state.close()
  return state
}

/** Everything that a state holds, tombstones as well, by key. */
export async function contents(state: StateBackend): Promise<ReadonlyMap<string, StateEntry>> {
  const all = new Map<string, StateEntry>()
  for (let last: StateEntry | undefined; ; ) {
    const page = await state.scan(last, { entries: 5_000, bytes: 64 * 1024 ** 2 })
    last = page.at(-1)
    if (!last) return new Map([...all].sort(([one], [other]) => (one < other ? -1 : 1)))
    for (const entry of page) all.set(entry.key, JSON.parse(JSON.stringify(entry)) as StateEntry)
  }
}

export interface Instance extends RunningBus {
  readonly state: StateBackend
  readonly kernel: Kernel
}

/** An instance that keeps that state and catches up with its peers. */
export async function instance(
  instanceId: string,
  state: StateBackend,
  peers: readonly { readonly url: string }[] = [],
  { plugins = [catchUp({ everySeconds: 1 })], settings, ...options }: StartOptions = {},
): Promise<Instance> {
  let kernel: Kernel | undefined
  const peeking: Plugin = {
    name: 'peeking',
    apply: (given) => {
      kernel = given
    },
  }
  const bus = await startBus({
    ...options,
    plugins: [keeping(state), ...plugins, peeking],
    settings: { instanceId, peers: peers.map(({ url }) => ({ url })), retryDelayMs: 20, ...settings },
  })
  return { ...bus, state, kernel: kernel as Kernel }
}

/** Whether they hold the same, to the byte. */
export async function agree(...instances: readonly Instance[]): Promise<boolean> {
  const all = await Promise.all(instances.map(async ({ state }) => JSON.stringify([...(await contents(state))])))
  return all.every((one) => one === all[0])
}

/** Waits for what takes a look into a state to know. */
export async function until(holds: () => Promise<boolean> | boolean, withinMs = 8_000): Promise<void> {
  const end = systemRuntime.monotonic() + withinMs
  while (!(await holds())) {
    if (systemRuntime.monotonic() > end) throw new Error('did not happen in time')
    await new Promise<void>((resolve) => systemRuntime.after(10, resolve))
  }
}

/** Somebody who speaks SYNC by hand, linked as an instance. */
export async function speaker(to: Instance, name = 'z') {
  const client = await connect(`${to.url}?sync=1`, { name, role: 'instance', acknowledges: false })
  let id = 0
  return {
    client,
    /** Asks, and resolves to the answer. */
    async ask(question: object): Promise<object> {
      const asked = ++id
      client.send({ type: 'SYNC', id: asked, ...question })
      return (await client.next(({ type, id, ask }) => type === 'SYNC' && id === asked && ask === undefined)).body
    },
    /** Answers all questions until the session ends, and resolves to them. */
    async answerAll(answer: (question: SyncFrame) => object): Promise<readonly SyncFrame[]> {
      const asked: SyncFrame[] = []
      while (asked.at(-1)?.ask !== 'end') {
        const { body } = await client.next(({ type, ask }) => type === 'SYNC' && ask !== undefined)
        const question = body as unknown as SyncFrame
        asked.push(question)
        client.send({ type: 'SYNC', id: question.id, ...answer(question) })
      }
      return asked
    },
  }
}
