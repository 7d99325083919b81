import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { type Client, type ClientError, connect, type Message } from 'slipstream/client'
import { memory, SlipstreamDeduplicator } from 'slipstream/dedup'
import { Random } from '../simulation/random.ts'
import { accounts, backlog } from './support/accounts.ts'
import type { Instance } from './support/instance.ts'
import { get, startMesh } from './support/mesh.ts'
import { Stage } from './support/stage.ts'
import { until } from './support/until.ts'

/** At least so many are acknowledged in the end. */
const MESSAGES = Number(process.env.SLIPSTREAM_GROUP_MESSAGES ?? 100_000)
const KILLS = Number(process.env.SLIPSTREAM_GROUP_KILLS ?? 10)
const SEED = Number(process.env.SLIPSTREAM_GROUP_SEED ?? Math.floor(Math.random() * 2 ** 31))
/** Messages that are published at once. */
const AT_ONCE = 256
/** One message in so many is published through both members at once. */
const THROUGH_BOTH = 20
/** A member that has not acknowledged by then is given up, for the other one. */
const ANSWER_WITHIN_MS = 2_000
const RECONNECT = { retryDelayMs: 50, maxRetryDelayMs: 500 }
const MAX_PAUSE_MS = 400
const ARRIVED_WITHIN_MS = 120_000 + 2 * MESSAGES

describe('two instances of a cluster group, of which either may die', function () {
  this.timeout(300_000 + 6 * MESSAGES)

  let stage: Stage
  let applications: (Publisher | Receiver)[]

  beforeEach(async () => {
    stage = await Stage.open()
    applications = []
  })

  afterEach(async () => {
    await Promise.all(applications.map((application) => application.close()))
    await stage.close()
  })

  const title = `bring each message to each application, to be handled once: ${KILLS} kills amid ${MESSAGES} messages, seed ${SEED}`
  it(title, async () => {
    const environment = { SLIPSTREAM_RETRY_IN_N_SECONDS: '1', SLIPSTREAM_CLUSTER_GROUP_ID: 'a' }
    const mesh = await startMesh(stage, [
      { name: 'b', environment: { ...environment, SLIPSTREAM_CLUSTER_GROUP_ID: 'b' } },
      { name: 'a1', dials: ['b'], environment },
      { name: 'a2', dials: ['b'], environment },
    ])
    const members = [get(mesh, 'a1'), get(mesh, 'a2')]
    const random = new Random(SEED)
    const desk = new Receiver('desk', members)
    const bank = new Receiver('bank', [get(mesh, 'b')])
    const shop = new Publisher('shop', members, random.fork())
    applications.push(desk, bank, shop)
    await until('the applications are connected', () => applications.every((one) => one.isConnected))

    const published = shop.run()
    await killAtRandom(members, shop, random)
    await until('enough is acknowledged', () => shop.acknowledged.size >= MESSAGES, ARRIVED_WITHIN_MS)
    shop.finish()
    await published
    expect(shop.came, 'came back to who published it').to.deep.equal([])

    const expected = shop.acknowledged
    for (const receiver of [desk, bank]) {
      await until(`all arrived at ${receiver.name}`, () => isSubset(expected, receiver.ledger), ARRIVED_WITHIN_MS)
      expect(receiver.ledger.size, `handled by ${receiver.name}`).to.equal(expected.size)
      expect(new Set(receiver.ledger.values()), `times that ${receiver.name} handled a message`).to.deep.equal(
        new Set([1]),
      )
    }
    const settled = { targeted: expected.size, acked: expected.size, pending: 0, dead: 0, collapsed: 0, forgotten: 0 }
    for (const instance of mesh.values()) {
      await until(`nothing is pending at ${instance.name}`, async () => (await backlog(instance)) === 0)
      expect(await instance.end('SIGTERM')).to.include({ code: 0 })
    }
    expect(accounts(get(mesh, 'b')).get('bank'), 'what b owed to the bank').to.deep.equal(settled)
    for (const member of members) {
      const owed = accounts(member)
      expect(owed.get('desk'), `what ${member.name} owed to the desk`).to.deep.equal(settled)
      for (const [recipient, { dead }] of owed) expect(dead, `${recipient} at ${member.name}`).to.equal(0)
    }
  })
})

/** Kills one member or the other, each time when a share of the messages is acknowledged and a moment more has passed. */
async function killAtRandom(members: readonly Instance[], shop: Publisher, random: Random): Promise<void> {
  for (let index = 0; index < KILLS; index++) {
    const due = ((index + random.next()) * MESSAGES) / (KILLS + 1)
    await until(`kill ${index + 1} is due`, () => shop.acknowledged.size >= due, ARRIVED_WITHIN_MS)
    await pause(random.integer(0, MAX_PAUSE_MS))
    const instance = random.pick(members)
    expect(await instance.end('SIGKILL')).to.include({ signal: 'SIGKILL' })
    await pause(random.integer(0, MAX_PAUSE_MS))
    await instance.start()
  }
}

function isSubset(some: ReadonlySet<string>, of: ReadonlyMap<string, number>): boolean {
  if (of.size < some.size) return false
  for (const one of some) if (!of.has(one)) return false
  return true
}

/**
 * An application that publishes through both members, under one name: each message through one of them, and through the other
 * when there is no answer; some through both at once.
 */
class Publisher {
  readonly acknowledged = new Set<string>()
  /** What it was sent itself. */
  readonly came: Message[] = []
  readonly #members: readonly Client[]
  readonly #random: Random
  #count = 0
  #finishing = false

  constructor(name: string, members: readonly Instance[], random: Random) {
    this.#random = random
    this.#members = members.map(({ url }) => connect(url, { name, ...RECONNECT }))
    for (const member of this.#members) member.subscribe({}, (message) => this.came.push(message))
  }

  get isConnected(): boolean {
    return this.#members.every(({ isConnected }) => isConnected)
  }

  /** Publishes until it shall finish. Resolves when everything is acknowledged. */
  async run(): Promise<void> {
    await Promise.all(Array.from({ length: AT_ONCE }, () => this.#publishOn()))
  }

  finish(): void {
    this.#finishing = true
  }

  async close(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.close()))
  }

  async #publishOn(): Promise<void> {
    while (!this.#finishing) {
      const index = this.#count++
      const messageId = `m-${index}`
      const through = index % THROUGH_BOTH === 0 ? this.#members : [this.#random.pick(this.#members)]
      await this.#publish(messageId, `card/${index % 500}`, index, through)
      this.acknowledged.add(messageId)
    }
  }

  async #publish(messageId: string, key: string, value: number, through: readonly Client[]): Promise<void> {
    try {
      await Promise.any(through.map((member) => member.set(key, value, { messageId, timeoutMs: ANSWER_WITHIN_MS })))
    } catch (error) {
      for (const each of (error as AggregateError).errors) if (!(each as ClientError).retryable) throw each
      const others = this.#members.filter((member) => !through.includes(member))
      await this.#publish(messageId, key, value, others.length > 0 ? others : this.#members)
    }
  }
}

/** An application that receives from all these instances, under one name, and its ledger: how often it handled each message. */
class Receiver {
  readonly name: string
  readonly ledger = new Map<string, number>()
  readonly #clients: readonly Client[]
  readonly #dedup = new SlipstreamDeduplicator({ backend: memory({ maxEntries: 4 * MESSAGES }) })

  constructor(name: string, instances: readonly Instance[]) {
    this.name = name
    this.#clients = instances.map(({ url }) => connect(url, { name, ...RECONNECT }))
    for (const client of this.#clients) client.subscribe({}, (message) => this.#receive(message))
  }

  get isConnected(): boolean {
    return this.#clients.every(({ isConnected }) => isConnected)
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()))
    await this.#dedup.close()
  }

  async #receive(message: Message): Promise<void> {
    const { messageId } = message
    const outcome = await this.#dedup.once(message, () => {
      this.ledger.set(messageId, (this.ledger.get(messageId) ?? 0) + 1)
    })
    if (outcome === 'busy') throw new Error('it is being handled; it is to come again')
  }
}
