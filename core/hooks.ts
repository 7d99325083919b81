import { AsyncSeriesBailHook, AsyncSeriesHook, SyncBailHook, SyncHook, SyncWaterfallHook } from 'tapable'
import type {
  Acknowledgement,
  Applied,
  DeadLettered,
  DueDelivery,
  Forwarding,
  Receipt,
  Refusal,
  Settled,
} from './events.ts'
import type { Link } from './links.ts'
import type { Message } from './message.ts'
import type { Received } from './protocol/received.ts'
import type { Route } from './route.ts'
import type { DeliveryChanges, Entry, StoreVerdict } from './store.ts'

/**
 * Every hook of the bus, in the order in which a message meets them. The first five are the journey; the rest tell what
 * happened. Hooks for one message are synchronous and pure; whatever does I/O takes a whole batch. A tap that throws stops
 * `onReceive`, `route`, `persist` and `start`; in all others it is reported, and the next one has its turn.
 *
 * Plugins never hold these themselves: `kernel.hooks` offers the same names, each tap guarded (`guard.ts`).
 */
export function createHooks() {
  return Object.freeze({
    /**
     * A message came in. Taps run by stage (limits, identity, validate, hint); the first that returns a verdict ends its
     * way here, and nothing at all passes it on.
     */
    onReceive: new SyncBailHook<[Received], Receipt | undefined>(['received']),
    /** Who is to get it. Each tap is given the route so far and returns a narrower or wider one, with reasons. */
    route: new SyncWaterfallHook<[Route, Message]>(['route', 'message']),
    /**
     * Make a batch durable: all or nothing, and a verdict for each message. The first tap that answers has stored it.
     * Nothing is acknowledged or forwarded before this has resolved.
     */
    persist: new AsyncSeriesBailHook<[readonly Entry[], DeliveryChanges], readonly StoreVerdict[] | undefined>([
      'entries',
      'changes',
    ]),
    /** These are durable, or were so already: tell their senders. Each tap in turn. */
    ack: new AsyncSeriesHook<[readonly Acknowledgement[]]>(['acknowledgements']),
    /**
     * These deliveries did not succeed: decide what becomes of them, through `kernel.deliveries`. Each tap in turn; one that
     * nobody decides on goes again after the retry delay.
     */
    republish: new AsyncSeriesHook<[readonly DueDelivery[]]>(['due']),

    /** The store is open and all plugins are applied; no socket is open yet. */
    start: new AsyncSeriesHook<[]>([]),
    /** Sockets are open, configured peers are being dialled. */
    ready: new SyncHook<[]>([]),
    /** Somebody is linked and identified. */
    linkUp: new SyncHook<[Link]>(['link']),
    /** A link is gone. What was in flight on it waits for the next one. */
    linkDown: new SyncHook<[Link]>(['link']),
    /** A stranger made claims about the way of its message in these members; they have been replaced. */
    corrected: new SyncHook<[Received, readonly string[]]>(['received', 'members']),
    /** A message is not kept here, and its sender is to be told why. */
    refused: new SyncHook<[Refusal]>(['refusal']),
    /** Deliveries went out on their links, for the first time or again. */
    forwarded: new SyncHook<[readonly Forwarding[]]>(['forwardings']),
    /** Recipients acknowledged these; their rows close with the next batch. */
    settled: new SyncHook<[Settled]>(['settled']),
    /** Messages for this instance were handled by their type; of some, nothing holds, for something newer was there. */
    applied: new SyncHook<[Applied]>(['applied']),
    /** A delivery was given up; it is a dead letter now. */
    deadLetter: new SyncHook<[DeadLettered]>(['deadLettered']),
    /** The bus takes nothing new from now on and flushes what is under way. */
    drain: new AsyncSeriesHook<[]>([]),
    /** All is flushed; what plugins opened on `start` closes now. */
    stop: new AsyncSeriesHook<[]>([]),
  })
}

export type Hooks = ReturnType<typeof createHooks>
export type HookName = keyof Hooks
