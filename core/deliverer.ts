import type { DueDelivery } from './events.ts'
import type { HeldTypes } from './held-types.ts'
import type { PendingDelivery } from './store.ts'

/** What brings a recipient the deliveries that are kept for it in the store. */
export interface Deliverer {
  /**
   * Types that are not brought to the recipient for now. Undefined when nothing is: the recipient is forgotten, or is another
   * one, or the bus stops.
   */
  readonly held: HeldTypes | undefined
  /** A delivery that was committed just now. `pump` takes it further. */
  offer(delivery: PendingDelivery): void
  /** Takes further whatever may go. Returns at once. */
  pump(): void
  /** There may be deliveries that nobody has offered. */
  doubt(): void
  /** Dead letters are about to be deliveries again: nothing is read until `revive` says which. */
  awaitRevival(): void
  /** Dead letters are deliveries again, at these places; or may be, if the store could not say. */
  revive(places: readonly number[]): void
  /** A delivery that failed goes again when it is due. Its failure is on disk. */
  defer(delivery: PendingDelivery): void
  /** A delivery that failed is a dead letter on disk. */
  buried(delivery: PendingDelivery): void
  /** A delivery that failed waits as if it had not. Of a type that is not held it goes again after the retry delay. */
  wait(delivery: PendingDelivery): void
  /** Tries once more, at once. What has succeeded meanwhile is left out. */
  sendAgain(due: readonly DueDelivery[]): void
  /** Stops every timer; what waits is on disk. */
  close(): void
}
