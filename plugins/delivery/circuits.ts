import { backoff, type DueDelivery, type Kernel, type Recipient, type Timer } from '../../core/index.ts'

/** Types at recipients that are kept an eye on at once. Beyond that the one that began to fail first is forgotten. */
const MAX_CIRCUITS = 1_000

/** What is known of one type at one recipient since it last acknowledged a message of it. */
export interface Circuit {
  readonly recipient: Recipient
  readonly type: string
  /**
   * - `closed`: some messages have failed
   * - `open`: nothing goes until the next probe
   * - `half-open`: a probe is under way, or is the next delivery that comes
   */
  readonly state: 'closed' | 'open' | 'half-open'
  /** Since when it has not been closed, in milliseconds since the epoch. */
  readonly openedAt: number
  /** When the next probe goes, in milliseconds since the epoch; undefined while there is one, or none is needed. */
  readonly nextProbeAt: number | undefined
}

class Kept implements Circuit {
  readonly recipient: Recipient
  readonly type: string
  state: Circuit['state'] = 'closed'
  openedAt = 0
  nextProbeAt: number | undefined
  /** Places of the different messages that have failed while it was closed. */
  readonly failed = new Set<number>()
  /** How many probes were sent or are planned. */
  probes = 0
  timer: Timer | undefined

  constructor(recipient: Recipient, type: string) {
    this.recipient = recipient
    this.type = type
  }
}

/** The circuits of all types at all recipients, each of which is there from its first failure to the next success. */
export class Circuits {
  readonly #kernel: Kernel
  readonly #failures: number
  readonly #byRecipient = new Map<Recipient, Map<string, Kept>>()
  /** The one that began to fail first comes first. */
  readonly #all = new Set<Kept>()
  #openings = 0

  /** @param failures how many different messages must fail in a row for a circuit to open */
  constructor(kernel: Kernel, failures: number) {
    this.#kernel = kernel
    this.#failures = failures
  }

  /** How often one has opened. */
  get openings(): number {
    return this.#openings
  }

  /** Those that are not closed. */
  get open(): readonly Circuit[] {
    return [...this.#all].filter(({ state }) => state !== 'closed')
  }

  /** A delivery has failed in a way that counts against its message; but not while its circuit is open. */
  failed(due: DueDelivery): void {
    const { recipient, delivery } = due
    const { type } = delivery.message
    const circuit = this.#find(recipient, type) ?? this.#begin(recipient, type)
    if (!circuit) return
    if (circuit.state === 'closed') this.#count(circuit, delivery.seq)
    else this.lost(due)
    if (circuit.state !== 'closed') this.#kernel.deliveries.wait(due)
  }

  /** A delivery came to nothing. If it was the probe, another one must tell. */
  lost(due: DueDelivery): void {
    const circuit = this.#find(due.recipient, due.delivery.message.type)
    if (circuit && this.#kernel.deliveries.isProbe(due)) this.#open(circuit)
  }

  /** A recipient has acknowledged a message: it can take those of that type. */
  succeeded(recipient: Recipient, type: string): void {
    const circuit = this.#find(recipient, type)
    if (!circuit) return
    this.#forget(circuit)
    if (circuit.state === 'closed') return
    const { deliveries, log, runtime } = this.#kernel
    const count = deliveries.waiting(recipient, type)
    deliveries.release(recipient, type)
    const milliseconds = Math.max(0, runtime.now() - circuit.openedAt)
    log.message('circuit closed', { recipient: recipient.name, type, count, milliseconds })
  }

  /** This instance itself has applied messages of that type. */
  applied(type: string): void {
    for (const recipient of this.#byRecipient.keys()) if (recipient.role === 'self') this.succeeded(recipient, type)
  }

  stop(): void {
    for (const { timer } of this.#all) timer?.cancel()
  }

  /** One message, however often it fails, is one failure. */
  #count(circuit: Kept, seq: number): void {
    const { recipient, type, failed } = circuit
    failed.add(seq)
    if (failed.size < this.#failures || !this.#open(circuit)) return
    circuit.openedAt = this.#kernel.runtime.now()
    this.#openings++
    this.#kernel.log.error('circuit opened', { recipient: recipient.name, type, count: failed.size })
    failed.clear()
  }

  /**
   * Lets its deliveries wait, and a probe go later: after the retry delay at first, after a minute at most. False when they
   * cannot wait: nothing is kept for that recipient.
   */
  #open(circuit: Kept): boolean {
    const { deliveries, runtime, settings } = this.#kernel
    const { recipient, type } = circuit
    if (!deliveries.hold(recipient, type)) {
      this.#forget(circuit)
      return false
    }
    const delay = Math.ceil(backoff(++circuit.probes, settings.retryDelayMs, runtime.random()))
    circuit.state = 'open'
    circuit.nextProbeAt = runtime.now() + delay
    circuit.timer = runtime.after(delay, () => {
      circuit.state = 'half-open'
      circuit.nextProbeAt = undefined
      if (!deliveries.probe(recipient, type)) this.#forget(circuit)
    })
    return true
  }

  #find(recipient: Recipient, type: string): Kept | undefined {
    return this.#byRecipient.get(recipient)?.get(type)
  }

  /** Undefined when as many are open as are kept: what fails then is not waited with. */
  #begin(recipient: Recipient, type: string): Kept | undefined {
    if (this.#all.size >= MAX_CIRCUITS && !this.#makeRoom()) return undefined
    const circuit = new Kept(recipient, type)
    const types = this.#byRecipient.get(recipient) ?? new Map<string, Kept>()
    this.#byRecipient.set(recipient, types.set(type, circuit))
    this.#all.add(circuit)
    return circuit
  }

  #makeRoom(): boolean {
    for (const circuit of this.#all) {
      if (circuit.state !== 'closed') continue
      this.#forget(circuit)
      return true
    }
    return false
  }

  #forget(circuit: Kept): void {
    const { recipient, type, timer } = circuit
    timer?.cancel()
    this.#all.delete(circuit)
    const types = this.#byRecipient.get(recipient)
    types?.delete(type)
    if (types?.size === 0) this.#byRecipient.delete(recipient)
  }
}
