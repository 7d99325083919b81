import { uuidv7 } from 'uuidv7'
import type { Application } from './application.ts'

/** Of each region. */
const MESSAGES_PER_SECOND = 25
const ACCOUNTS = 500

/** Lets each application publish at an even pace: balances for everybody, and every third message for one region alone. */
export class Traffic {
  readonly #applications: readonly Application[]
  #timer: NodeJS.Timeout | undefined
  #count = 0

  constructor(applications: readonly Application[]) {
    this.#applications = applications
  }

  start(): void {
    this.#timer = setInterval(() => this.#round(), 1_000 / MESSAGES_PER_SECOND)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #round(): void {
    this.#count++
    for (const [index, application] of this.#applications.entries()) {
      const other = this.#applications[(index + 1 + (this.#count % 2)) % this.#applications.length]
      application.publish({
        id: uuidv7(),
        ...this.#content(),
        target: this.#count % 3 === 0 ? other?.region : undefined,
      })
    }
  }

  #content() {
    const account = Math.floor(Math.random() * ACCOUNTS)
    if (this.#count % 5 === 0) return { type: 'SA', key: `cards/${account}`, value: `["debit","credit"]` }
    const balance = (Math.random() * 10_000).toFixed(2)
    return { type: 'SK', key: `balances/${account}`, value: `{"amount":${balance},"currency":"EUR"}` }
  }
}
