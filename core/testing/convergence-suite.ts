import assert from 'node:assert/strict'
import type { Message } from '../message.ts'
import type { Plugin } from '../plugin.ts'
import { ManualRuntime } from './manual-runtime.ts'
import { Replica, type Written, written } from './replica.ts'
import { at, type StateCase, type StateUnderTest } from './state-trial.ts'

/** Types whose instances are to come to the same. */
export interface ConvergingTypes {
  /** What registers them; asked for once an instance. */
  plugins(): readonly Plugin[]
  /** Where the state of an instance is kept; asked for once an instance. */
  makeState(): StateUnderTest
  /** The nth message, from 1 on; its id is `message-n`. `random` gives numbers in [0, 1), the same ones each time. */
  write(n: number, random: () => number): Written
}

const MESSAGES = 120
const SEEDS = [1, 2, 3, 4, 5]

/** A case in the making: what must hold of instances to which these messages go. */
type Trying = (open: () => Promise<Replica>, messages: readonly Message[], random: ManualRuntime) => Promise<void>

/**
 * What instances that apply the same messages come to, for types with any merge. It brings no test runner:
 *
 *     for (const { name, run } of convergenceSuite({ plugins, makeState, write })) it(name, run)
 */
export function convergenceSuite(types: ConvergingTypes): readonly StateCase[] {
  return Object.entries(cases).map(([name, attempt]) => ({
    name,
    async run() {
      for (const seed of SEEDS) await onSeed(types, seed, attempt)
    },
  }))
}

const cases: Readonly<Record<string, Trying>> = {
  async 'hold the same, in whatever order the messages come'(open, messages, random) {
    const [one, other] = [await open(), await open()]
    await one.apply(...messages)
    await other.apply(...shuffled(messages, random))
    await assertSame(one, other)
  },

  async 'hold the same, whether messages are applied one by one or many together'(open, messages, random) {
    const [one, other] = [await open(), await open()]
    await one.apply(...messages)
    const types = [...new Set(messages.map(({ type }) => type))]
    for (const type of types)
      await other.applyTogether(shuffled(messages, random).filter((message) => message.type === type))
    await assertSame(one, other)
  },

  async 'hold the same, however often messages come again'(open, messages, random) {
    const [one, other] = [await open(), await open()]
    await one.apply(...messages)
    await other.apply(...shuffled([...messages, ...messages.filter(() => random.random() < 0.5)], random))
    await assertSame(one, other)
  },

  async 'hold the same when each has given the other what it has, whatever messages each had got'(
    open,
    messages,
    random,
  ) {
    const [one, other, all] = [await open(), await open(), await open()]
    await all.apply(...messages)
    await one.apply(...messages.filter((_, index) => index % 3 !== 0))
    await other.apply(...shuffled(messages, random).filter(({ messageId }) => Number(messageId.slice(8)) % 3 !== 2))
    await one.joinAll(await other.entries())
    await other.joinAll(await one.entries())
    await other.joinAll(await one.entries())
    await assertSame(one, other)
    await assertSame(one, all)
  },

  async 'hold the same when messages come behind what another one had made of them'(open, messages, random) {
    const [one, other, all] = [await open(), await open(), await open()]
    await all.apply(...messages)
    await one.apply(...messages)
    await other.apply(...messages.slice(0, MESSAGES / 2))
    await other.joinAll(shuffled(await one.entries(), random))
    await other.apply(...shuffled(messages, random))
    await assertSame(other, all)
  },
}

async function onSeed(types: ConvergingTypes, seed: number, attempt: Trying): Promise<void> {
  const random = new ManualRuntime({ seed })
  const subjects: StateUnderTest[] = []
  const opened: Replica[] = []
  const open = async () => {
    const subject = types.makeState()
    subjects.push(subject)
    const replica = await Replica.open(types.plugins(), subject.instance())
    opened.push(replica)
    return replica
  }
  try {
    await attempt(open, messagesOf(types, random), random)
  } finally {
    for (const replica of opened) await replica.close()
    for (const subject of subjects) await subject.destroy()
  }
}

/** Each with a stamp of its own; who writes later may well have the earlier stamp. */
function messagesOf({ write }: ConvergingTypes, random: ManualRuntime): readonly Message[] {
  const stamps = shuffled(
    Array.from({ length: MESSAGES }, (_, index) => index + 1),
    random,
  )
  return stamps.map((stamp, index) => {
    const n = index + 1
    return written(
      write(n, () => random.random()),
      { messageId: `message-${n}`, version: at(stamp) },
    )
  })
}

async function assertSame(one: Replica, other: Replica): Promise<void> {
  assert.deepEqual(await one.entries(), await other.entries())
  assert.deepEqual(await one.backend.digests(), await other.backend.digests())
}

function shuffled<Item>(items: readonly Item[], random: ManualRuntime): readonly Item[] {
  const drawn = items.map((item) => ({ item, at: random.random() }))
  return drawn.sort((one, other) => one.at - other.at).map(({ item }) => item)
}
