import type { Batch, DueDelivery, Entry, Kernel, Message, Plugin, Store } from '../../core/index.ts'
import { ack } from '../../plugins/messages/ack.ts'
import type { Sabotage } from './scenario.ts'
import { stateSabotages } from './state-sabotage.ts'

const DAY_MS = 86_400_000

/** Faults to plant: each is one that a bus could really have, and each must be noticed. */
export const sabotages: Readonly<Record<string, Sabotage>> = {
  'an acknowledgement before the commit': { plugins: replaced('ack', hastyAck) },
  'a hint that remembers what is not stored yet': { plugins: replaced('dedup-memory', hastyHint) },
  'a route that forgets where a message has been': { plugins: left('path') },
  'a route that ignores tags': { plugins: left('tags') },
  'deliveries that are never repeated': { plugins: left('republish') },
  'deliveries that are done as soon as they are sent': { plugins: (plugins) => [...plugins, fireAndForget()] },
  'a store that answers before it has written': { plugins: replaced('store-simulated', withLyingStore) },
  'a store that loses deliveries': { disk: (store) => changedWrites(store, { entry: withoutLastRecipient }) },
  'a store that forgets what is settled': { disk: (store) => changedWrites(store, { settlements: false }) },
  'a store that forgets failures': { disk: (store) => changedWrites(store, { retries: false }) },
  'a republish that counts absence': { plugins: replaced('republish', impatient) },
  'a republish that forgets to write the retry': { plugins: replaced('republish', forgetful) },
  'a circuit that never closes': { plugins: replaced('circuit-breaker', stuck) },
  'a store that does not recognise repetitions': { disk: (store) => changedWrites(store, { entry: unrecognisable }) },
  'a store that forgets ordering keys': { disk: (store) => changedWrites(store, { entry: withoutKey }) },
  'a store that prints texts anew': { disk: (store) => changedWrites(store, { entry: printedAnew }) },
  'a store that does not say what is scheduled': { disk: (store) => changedSchedule(store, -DAY_MS) },
  'a store that says too early what is due': { disk: (store) => changedSchedule(store, 10_000) },
  'a store that keeps what is released': { disk: (store) => changedWrites(store, { entry: withoutRelease }) },
  'a store that forgets the clock': { disk: (store) => changedWrites(store, { clock: false }) },
  'a strict type of which a key goes all at once': { plugins: replaced('witness', unordered) },
  ...stateSabotages,
}

type Plugins = readonly Plugin[]

function left(name: string): (plugins: Plugins) => Plugins {
  return (plugins) => plugins.filter((plugin) => plugin.name !== name)
}

function replaced(name: string, by: (original: Plugin) => Plugin): (plugins: Plugins) => Plugins {
  return (plugins) => plugins.map((plugin) => (plugin.name === name ? by(plugin) : plugin))
}

function hastyAck(): Plugin {
  const sound = ack()
  return {
    name: 'ack',
    apply(kernel) {
      void sound.apply(kernel)
      kernel.hooks.onReceive.tap(({ type, sender, body }) => {
        const { messageId } = body as { messageId?: string }
        if (!['ACK', 'NACK', 'HELLO'].includes(type)) sender.send(`{"type":"ACK","messageId":"${messageId}"}`)
        return undefined
      })
    },
  }
}

function hastyHint(): Plugin {
  return {
    name: 'dedup-memory',
    apply(kernel) {
      const seen = new Set<unknown>()
      kernel.hooks.onReceive.tap(({ type, body }) => {
        if (['ACK', 'NACK', 'HELLO'].includes(type)) return undefined
        const { messageId } = body as { messageId?: string }
        if (seen.has(messageId)) return { status: 'duplicate', recipients: 1 }
        seen.add(messageId)
        return undefined
      })
    },
  }
}

function fireAndForget(): Plugin {
  return {
    name: 'fire-and-forget',
    apply(kernel) {
      kernel.hooks.forwarded.tap((forwardings) => {
        for (const { recipient, message } of forwardings) {
          const link = kernel.links().find(({ peer }) => peer === recipient.name)
          if (link) kernel.deliveries.acknowledged(link, message.messageId)
        }
      })
    },
  }
}

/** Whoever is silent or away uses up the attempts of what waits for it. */
function impatient(sound: Plugin): Plugin {
  const absences = new Map<string, number>()
  return withRepublish(sound, (kernel, { recipient, delivery, cause }) => {
    if (cause !== 'silence' && cause !== 'disconnect') return false
    const id = `${kernel.instanceId} ${recipient.name} ${delivery.message.messageId}`
    absences.set(id, (absences.get(id) ?? 0) + 1)
    return (absences.get(id) as number) > 1 ? 'dead' : false
  })
}

/** What the recipient refuses for now goes again, and nothing is counted. */
function forgetful(sound: Plugin): Plugin {
  return withRepublish(sound, (_, { cause }) => cause === 'nack' && 'undecided')
}

type Verdict = 'dead' | 'undecided' | false

/** The sound plugin, but for those failures on which `judge` has something else to say. */
function withRepublish(sound: Plugin, judge: (kernel: Kernel, due: DueDelivery) => Verdict): Plugin {
  return {
    name: 'republish',
    apply(kernel) {
      const tap: Kernel['hooks']['republish']['tap'] = (decide) =>
        kernel.hooks.republish.tap((due) => {
          const verdicts = new Map(due.map((one) => [one, judge(kernel, one)]))
          for (const [one, verdict] of verdicts)
            if (verdict === 'dead') kernel.deliveries.deadLetter(one, 'ATTEMPTS_EXHAUSTED')
          return decide(due.filter((one) => verdicts.get(one) === false))
        })
      const hooks = { ...kernel.hooks, republish: { ...kernel.hooks.republish, tap } }
      return sound.apply(Object.create(kernel, { hooks: { value: hooks } }))
    },
  }
}

/** The type that all handle is as any other. */
function unordered(sound: Plugin): Plugin {
  return {
    name: 'witness',
    apply(kernel) {
      const messageType: Kernel['messageType'] = (name, type) =>
        kernel.messageType(name, { ...type, order: undefined } as never)
      return sound.apply(Object.create(kernel, { messageType: { value: messageType } }))
    },
  }
}

/** What was held once is never released. */
function stuck(sound: Plugin): Plugin {
  return {
    name: 'circuit-breaker',
    apply(kernel) {
      const { deliveries } = kernel
      const held: Partial<Kernel['deliveries']> = {
        hold: (recipient, type) => deliveries.hold(recipient, type),
        probe: (recipient, type) => deliveries.probe(recipient, type),
        release: () => {},
        isProbe: (due) => deliveries.isProbe(due),
        waiting: (recipient, type) => deliveries.waiting(recipient, type),
        wait: (due) => deliveries.wait(due),
      }
      return sound.apply(Object.create(kernel, { deliveries: { value: held } }))
    },
  }
}

function withLyingStore(sound: Plugin): Plugin {
  return {
    name: 'store-simulated',
    apply: (kernel) =>
      sound.apply(Object.create(kernel, { store: { value: (store: Store) => kernel.store(lying(store)) } })),
  }
}

function lying(store: Store): Store {
  return delegating(store, {
    async write(batch) {
      const { messages } = store.statistics()
      void store.write(batch)
      return batch.entries.map((_, index) => ({ status: 'stored', seq: messages + index + 1 }))
    },
  })
}

interface Changes {
  readonly entry?: (entry: Entry) => Entry
  readonly settlements?: false
  readonly retries?: false
  readonly clock?: false
}

function changedWrites(store: Store, { entry = (same) => same, settlements, retries, clock }: Changes): Store {
  return delegating(store, {
    write: (batch: Batch) =>
      store.write({
        entries: batch.entries.map(entry),
        settlements: settlements === false ? [] : batch.settlements,
        retries: retries === false ? [] : batch.retries,
        deaths: batch.deaths,
        lastVersion: clock === false ? undefined : batch.lastVersion,
      }),
  })
}

function changedSchedule(store: Store, ahead: number): Store {
  return delegating(store, { scheduled: (dueBy, limit, after) => store.scheduled(dueBy + ahead, limit, after) })
}

function withoutLastRecipient({ recipients, ...entry }: Entry): Entry {
  return { ...entry, recipients: recipients.slice(0, -1) }
}

function withoutRelease({ message, recipients }: Entry): Entry {
  return { message, recipients }
}

function withoutKey({ message, recipients }: Entry): Entry {
  return { message: { ...message, orderingKey: undefined }, recipients }
}

let unique = 0

function unrecognisable({ message, ...entry }: Entry): Entry {
  const n = ++unique
  const { epoch } = message.originSequence
  const changed = { clusterGroupId: `group-${n}`, originSequence: { epoch, n: 1_000_000 + n } }
  return { ...entry, message: { ...message, ...changed } }
}

function printedAnew({ message, ...entry }: Entry): Entry {
  const changed: Message = { ...message, text: JSON.stringify(JSON.parse(message.text)) }
  return { ...entry, message: changed }
}

function delegating(store: Store, changes: Partial<Pick<Store, 'write' | 'scheduled'>>): Store {
  return {
    name: store.name,
    open: (context) => store.open(context),
    write: (batch) => store.write(batch),
    pending: (recipient, after, limit) => store.pending(recipient, after, limit),
    recall: (recipient, seqs) => store.recall(recipient, seqs),
    scheduled: (dueBy, limit, after) => store.scheduled(dueBy, limit, after),
    saveRecipient: (recipient) => store.saveRecipient(recipient),
    noteSeen: (recipients, at) => store.noteSeen(recipients, at),
    renameRecipient: (from, to) => store.renameRecipient(from, to),
    forgetRecipient: (key) => store.forgetRecipient(key),
    forgetBacklog: (key) => store.forgetBacklog(key),
    collapse: (key, spaces, limit) => store.collapse(key, spaces, limit),
    weigh: (key, after, limit) => store.weigh(key, after, limit),
    shed: (limit) => store.shed(limit),
    deadLetters: (filter, page) => store.deadLetters(filter, page),
    deadLetterText: (id) => store.deadLetterText(id),
    createReplay: (order) => store.createReplay(order),
    replaySelection: (replay, limit) => store.replaySelection(replay, limit),
    reviveDeadLetters: (replay, ids) => store.reviveDeadLetters(replay, ids),
    endReplay: (replay, ending) => store.endReplay(replay, ending),
    replays: () => store.replays(),
    replayJob: (replay) => store.replayJob(replay),
    discardDeadLetters: (ids) => store.discardDeadLetters(ids),
    claimExecutions: (claims) => store.claimExecutions(claims),
    finishExecution: (messageId, ending) => store.finishExecution(messageId, ending),
    interruptExecutions: (ending) => store.interruptExecutions(ending),
    execution: (messageId) => store.execution(messageId),
    forgetExecutions: (finishedBefore, limit) => store.forgetExecutions(finishedBefore, limit),
    purge: (limits) => store.purge(limits),
    ledger: () => store.ledger(),
    statistics: () => store.statistics(),
    close: () => store.close(),
    ...changes,
  }
}
