import type { Deliverer } from './deliverer.ts'
import { ProtocolFault } from './protocol/fault.ts'
import type { Recipient, StoredRecipient } from './recipient.ts'
import type { Runtime } from './runtime/runtime.ts'
import { SELF } from './self.ts'
import type { RecipientKey, RecipientRecord, SavedRecipient, Store } from './store.ts'
import type { TypeRegistry } from './type-registry.ts'

/** Types that nobody here knows, and whose messages are kept for this instance, at most. */
const MAX_UNKNOWN_TYPES = 100
/** Of a recipient that is not in the store. */
const NO_KEY = -1
const PREFIX = `${SELF}:`

/**
 * This instance as the recipient of messages of one type that it does not know. They wait on disk, none of them in memory,
 * until it starts with a plugin that knows the type: then they are deliveries to `@self`.
 */
export class UnknownType implements StoredRecipient {
  readonly role = 'self'
  readonly durable = true
  readonly connected = false
  readonly circuit = undefined
  readonly clockAheadMs = undefined
  readonly inFlight = 0
  readonly deferred = 0
  readonly name: string
  readonly tags: ReadonlySet<string>
  readonly outbox: Deliverer
  /** When the first message of the type came, in milliseconds since the epoch. */
  readonly lastSeenAt: number
  key: RecipientKey = NO_KEY
  pending = 0
  /** Set when the type turned out to be remembered already. */
  successor: UnknownType | undefined

  constructor(name: string, tags: ReadonlySet<string>, lastSeenAt: number) {
    this.name = name
    this.tags = tags
    this.lastSeenAt = lastSeenAt
    this.outbox = this.#shelf()
  }

  get isRemembered(): boolean {
    return this.key !== NO_KEY
  }

  /** It is in the store no more: what comes from now on begins anew. */
  begin(): void {
    this.key = NO_KEY
    this.pending = 0
  }

  /** Takes what is stored for granted, and takes it no further. */
  #shelf(): Deliverer {
    const count = ({ length }: readonly unknown[]) => {
      this.pending += length
    }
    const nothing = () => {}
    return {
      ...{ pump: nothing, doubt: nothing, defer: nothing, buried: nothing, sendAgain: nothing, close: nothing },
      ...{ held: undefined, wait: nothing },
      ...{ offer: (delivery) => count([delivery]), awaitRevival: nothing, revive: count },
    }
  }
}

export interface UnknownTypesContext {
  readonly store: Store
  readonly runtime: Runtime
  /** What this instance bears. */
  readonly tags: readonly string[]
}

/** The types that came by and that nobody here knows, as far as their messages are for this instance. */
export class UnknownTypes {
  readonly #context: UnknownTypesContext
  readonly #tags: ReadonlySet<string>
  readonly #remembered = new Map<string, UnknownType>()

  constructor(context: UnknownTypesContext, saved: readonly SavedRecipient[]) {
    this.#context = context
    this.#tags = new Set(context.tags)
    for (const { name, key, pending, lastSeenAt } of saved) {
      this.#remember(Object.assign(this.#recipient(name, lastSeenAt), { key, pending }))
    }
  }

  all(): readonly UnknownType[] {
    return [...this.#remembered.values()]
  }

  get(name: string): UnknownType | undefined {
    return this.#remembered.get(name)
  }

  /** This instance as the recipient of messages of that type. Remembered once something is stored for it. */
  recipientOf(type: string): UnknownType {
    const name = PREFIX + type
    return this.#remembered.get(name) ?? this.#recipient(name, this.#context.runtime.now())
  }

  /** Throws when a message would be for one type too many. */
  assertRoom(recipients: readonly Recipient[]): void {
    if (this.#remembered.size < MAX_UNKNOWN_TYPES || !recipients.some(isNew)) return
    throw new ProtocolFault(
      'UNKNOWN_TYPE',
      `no plugin of this instance knows this type, and messages of ${MAX_UNKNOWN_TYPES} such types wait here; ` +
        'load a plugin for it, or forget what waits for another one',
    )
  }

  /** Before something is stored for these: each is to have its key. */
  async prepare(recipients: readonly Recipient[]): Promise<void> {
    for (const recipient of recipients.filter(isNew)) {
      recipient.successor = this.#remembered.get(recipient.name)
      if (!recipient.successor) await this.#save(recipient)
    }
  }

  /** Forgets the type and what waits for it. Resolves to how many deliveries that were. */
  async forget(recipient: UnknownType): Promise<number> {
    const { store } = this.#context
    const count = await store.forgetBacklog(recipient.key)
    await store.forgetRecipient(recipient.key)
    this.#remembered.delete(recipient.name)
    recipient.begin()
    return count
  }

  async #save(recipient: UnknownType): Promise<void> {
    const { name, lastSeenAt } = recipient
    const { store, tags } = this.#context
    const record: RecipientRecord = {
      ...{ name, role: 'instance', tags, lastSeenAt },
      ...{ clusterGroupId: undefined, url: undefined },
    }
    recipient.key = await store.saveRecipient(record)
    this.#remember(recipient)
  }

  #remember(recipient: UnknownType): void {
    this.#remembered.set(recipient.name, recipient)
  }

  #recipient(name: string, since: number): UnknownType {
    return new UnknownType(name, this.#tags, since)
  }
}

/** Whether that name is this instance's own as the recipient of messages of a type that it did not know. */
export function isOfUnknownType(name: string): boolean {
  return name.startsWith(PREFIX)
}

/**
 * Of the recipients that are this instance under the names of types it did not know: those whose type is known by now are
 * united with `@self`, each delivery in its place. Resolves to the others, and to how many deliveries wait for `@self`.
 */
export async function claimKnownTypes(store: Store, saved: readonly SavedRecipient[], types: TypeRegistry) {
  const unknown: SavedRecipient[] = []
  let pending = saved.find(({ name }) => name === SELF)?.pending ?? 0
  for (const one of saved) {
    if (!isOfUnknownType(one.name)) continue
    if (types.knows(one.name.slice(PREFIX.length))) pending = (await store.renameRecipient(one.name, SELF)).pending
    else unknown.push(one)
  }
  return { pending, unknown }
}

function isNew(recipient: Recipient): recipient is UnknownType {
  return recipient instanceof UnknownType && !recipient.isRemembered
}
