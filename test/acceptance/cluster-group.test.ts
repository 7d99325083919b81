import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { Random } from '../simulation/random.ts'
import { accounts, backlog } from './support/accounts.ts'
import { type Body, Connection } from './support/connection.ts'
import type { Instance } from './support/instance.ts'
import { get, startMesh } from './support/mesh.ts'
import { Stage } from './support/stage.ts'
import { until } from './support/until.ts'

/** At least so many are acknowledged in the end. */
const MESSAGES = Number(process.env.SLIPSTREAM_GROUP_MESSAGES ?? 100_000)
const KILLS = Number(process.env.SLIPSTREAM_GROUP_KILLS ?? 10)
const SEED = Number(process.env.SLIPSTREAM_GROUP_SEED ?? Math.floor(Math.random() * 2 ** 31))
/** Messages that await their acknowledgement. */
const WINDOW = 256
/** One message in so many is published through both members at once. */
const THROUGH_BOTH = 20
const RETRY_AFTER_MS = 50
const MAX_PAUSE_MS = 400
const ARRIVED_WITHIN_MS = 240_000

describe('two instances of a cluster group, of which either may die', function () {
  this.timeout(300_000 + 2 * MESSAGES)

  let stage: Stage
  let connections: Connection[]

  beforeEach(async () => {
    stage = await Stage.open()
    connections = []
  })

  afterEach(async () => {
    for (const connection of connections) connection.end()
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
    connections.push(...desk.connections, ...bank.connections, ...shop.connections)
    await until('the receivers are connected', () => [desk, bank].every((one) => one.isConnected))
    shop.begin()

    await killAtRandom(members, shop, random)
    await until('enough is acknowledged', () => shop.acknowledged.size >= MESSAGES, ARRIVED_WITHIN_MS)
    shop.finish()
    await until('nothing awaits its acknowledgement', () => shop.sent.size === 0)
    expect(shop.refused).to.deep.equal([])
    expect(shop.came, 'came back to who published it').to.deep.equal([])

    const expected = shop.acknowledged
    for (const receiver of [desk, bank]) {
      await until(`all arrived at ${receiver.name}`, () => isSubset(expected, receiver.ledger), ARRIVED_WITHIN_MS)
      expect(receiver.ledger.size, `handled by ${receiver.name}`).to.equal(expected.size)
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

function isSubset(some: ReadonlySet<string>, of: ReadonlySet<string>): boolean {
  if (of.size < some.size) return false
  for (const one of some) if (!of.has(one)) return false
  return true
}

/** Publishes through one member or the other, and what is not acknowledged when a connection breaks, through the other one. */
class Publisher {
  readonly connections: readonly Connection[]
  /** What awaits its acknowledgement, and the place of the member through which it was sent. */
  readonly sent = new Map<string, { readonly message: object; way: number }>()
  readonly acknowledged = new Set<string>()
  readonly refused: Body[] = []
  /** What it was sent that is no answer. */
  readonly came: Body[] = []
  readonly #random: Random
  #count = 0
  #publishing = false

  constructor(name: string, members: readonly Instance[], random: Random) {
    this.#random = random
    this.connections = members.map(
      ({ url }, way) =>
        new Connection(`${url}?instanceId=${name}`, {
          opened: () => this.#sendStranded(),
          read: (body) => this.#read(body),
          closed: () => this.#sendStranded(way),
        }),
    )
  }

  begin(): void {
    this.#publishing = true
    this.#fillWindow()
  }

  /** Publishes nothing new any more. */
  finish(): void {
    this.#publishing = false
  }

  #read(body: Body): void {
    const { type, messageId } = body
    if (type !== 'ACK' && type !== 'NACK') {
      this.came.push(body)
      return
    }
    if (type === 'NACK' && body.retryable === true) {
      setTimeout(() => this.#send(messageId), Number(body.retryAfterMs ?? RETRY_AFTER_MS))
      return
    }
    if (!this.sent.delete(messageId)) return
    if (type === 'ACK') this.acknowledged.add(messageId)
    else this.refused.push(body)
    this.#fillWindow()
  }

  #fillWindow(): void {
    while (this.#publishing && this.sent.size < WINDOW) {
      const index = this.#count++
      const messageId = `m-${index}`
      this.sent.set(messageId, { message: { type: 'SK', messageId, key: `card/${index % 500}`, value: index }, way: 0 })
      this.#send(messageId)
      if (index % THROUGH_BOTH === 0) this.#repeat(messageId)
    }
  }

  /** Through whichever member is there. */
  #send(messageId: string): void {
    const sending = this.sent.get(messageId)
    if (!sending) return
    const first = this.#random.integer(0, 1)
    sending.way = this.connections[first]?.open ? first : 1 - first
    this.connections[sending.way]?.send(sending.message)
  }

  /** Through the member through which it was not sent. */
  #repeat(messageId: string): void {
    const sending = this.sent.get(messageId)
    if (sending) this.connections[1 - sending.way]?.send(sending.message)
  }

  /** A connection came or went: what went over one that is gone goes again. */
  #sendStranded(gone?: number): void {
    for (const [messageId, { way }] of this.sent) {
      if (way === gone || !this.connections[way]?.open) this.#send(messageId)
    }
  }
}

/** A durable receiver at one instance or several, and its ledger: what it has handled. */
class Receiver {
  readonly name: string
  readonly connections: readonly Connection[]
  readonly ledger = new Set<string>()

  constructor(name: string, instances: readonly Instance[]) {
    this.name = name
    this.connections = instances.map(({ url }, way) => {
      return new Connection(`${url}?instanceId=${name}`, {
        opened: () => {},
        read: (body) => this.#read(body, way),
      })
    })
  }

  get isConnected(): boolean {
    return this.connections.every(({ open }) => open)
  }

  #read({ type, messageId, clusterGroupId }: Body, way: number): void {
    if (type === 'ACK' || type === 'NACK') return
    expect(clusterGroupId).to.equal('a')
    this.ledger.add(messageId)
    this.connections[way]?.send({ type: 'ACK', messageId })
  }
}
