import type { StateBackend, StateContext, StateEntry, StateKey, StateLimit } from '../../core/index.ts'
import { Device, type DiskConditions } from './device.ts'
import type { StateDisk } from './state-disk.ts'
import type { World } from './world.ts'

/** The state of one life of an instance, over a disk that outlives it. */
export class SimulatedState implements StateBackend {
  readonly name = 'simulated'
  readonly #disk: StateDisk
  readonly #device: Device

  constructor(world: World, disk: StateDisk, conditions: () => DiskConditions) {
    this.#disk = disk
    this.#device = new Device(world, `${disk.host} state`, conditions)
  }

  open(context: StateContext) {
    return this.#disk.open(context)
  }

  join(deltas: readonly StateEntry[]) {
    return this.#device.write(`join ${deltas.length}`, () => this.#disk.join(deltas))
  }

  swap(expected: StateEntry | undefined, next: StateEntry | undefined) {
    return this.#device.write(`swap ${(next ?? expected)?.key}`, () => this.#disk.swap(expected, next))
  }

  purgeTombstones(beforeVersion: string, limit: number) {
    return this.#device.write('purge', () => this.#disk.purgeTombstones(beforeVersion, limit))
  }

  read(keys: readonly StateKey[]) {
    return this.#device.read(`${keys.length} keys`, () => this.#disk.backend.read(keys))
  }

  digests() {
    return this.#device.read('digests', () => this.#disk.backend.digests())
  }

  entriesIn(buckets: readonly number[], after: StateKey | undefined, limit: StateLimit) {
    return this.#device.read(`${buckets.length} buckets`, () => this.#disk.backend.entriesIn(buckets, after, limit))
  }

  scan(after: StateKey | undefined, limit: StateLimit) {
    return this.#device.read('a page', () => this.#disk.backend.scan(after, limit))
  }

  remembered() {
    return this.#disk.backend.remembered()
  }

  note(name: string) {
    return this.#device.read(`note ${name}`, () => this.#disk.backend.note(name))
  }

  keepNote(name: string, text: string) {
    return this.#device.write(`note ${name}`, () => this.#disk.backend.keepNote(name, text))
  }

  statistics() {
    return this.#disk.backend.statistics()
  }

  async close() {
    this.#device.close()
  }

  async crash(): Promise<void> {
    if (!this.#device.gone) await this.#device.crash()
  }
}
