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
const MESSAGES = Number(process.env.SLIPSTREAM_KILL_MESSAGES ?? 100_000)
const SEED = Number(process.env.SLIPSTREAM_KILL_SEED ?? Math.floor(Math.random() * 2 ** 31))
const KILLS = Number(process.env.SLIPSTREAM_KILLS ?? 20)
const PUBLISHERS = 2
/** Messages of one publisher that await their acknowledgement. */
const WINDOW = 32
const RETRY_AFTER_MS = 50
const MAX_PAUSE_MS = 400
const ARRIVED_WITHIN_MS = 60_000
/**
 * What was in flight to the receiver when its instance died comes again: a window of 64, and what was acknowledged but
 * waited for its transaction.
 */
const MAX_REPEATED_PER_KILL = 256

describe('two instances that are killed again and again', function () {
  this.timeout(300_000 + KILLS * 30_000)

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

  const title = `lose nothing that was acknowledged: ${KILLS} kills amid at least ${MESSAGES} messages, seed ${SEED}`
  it(title, async () => {
    const retry = { SLIPSTREAM_RETRY_IN_N_SECONDS: '1' }
    const mesh = await startMesh(stage, [
      { name: 'far', environment: retry },
      { name: 'near', dials: ['far'], environment: retry },
    ])
    const [near, far] = [get(mesh, 'near'), get(mesh, 'far')]
    const receiver = new Receiver(far)
    connections.push(receiver.connection)
    await until('the receiver is connected', () => receiver.connection.open)
    const publishers = Array.from({ length: PUBLISHERS }, (_, index) => new Publisher(near, `publisher-${index}`))
    connections.push(...publishers.map(({ connection }) => connection))

    await killInTurn([near, far], publishers)
    const expected = await finish(publishers)
    const missing = () => [...expected].filter((id) => !receiver.ledger.has(id))
    await until('all that was acknowledged arrived', () => missing().length === 0, ARRIVED_WITHIN_MS)
    expect(receiver.ledger.size, 'arrived').to.equal(expected.size)
    expect(receiver.repeated, 'arrived again').to.be.at.most((KILLS / 2) * MAX_REPEATED_PER_KILL)

    for (const instance of [near, far]) {
      await until(`nothing is pending at ${instance.name}`, async () => (await backlog(instance)) === 0)
      expect(await instance.end('SIGTERM')).to.include({ code: 0 })
    }
    const settled = { targeted: expected.size, acked: expected.size, pending: 0, dead: 0, collapsed: 0, forgotten: 0 }
    expect(accounts(near).get('far'), 'what near owed to far').to.deep.equal(settled)
    expect(accounts(far).get('receiver'), 'what far owed to the receiver').to.deep.equal(settled)
  })
})

/** Kills one instance after the other, each when its share of the messages is acknowledged and a moment more has passed. */
async function killInTurn(instances: readonly Instance[], publishers: readonly Publisher[]): Promise<void> {
  const random = new Random(SEED)
  for (let index = 0; index < KILLS; index++) {
    const due = ((index + random.next()) * MESSAGES) / (KILLS + 1)
    await until(`kill ${index + 1} is due`, () => acknowledgedBy(publishers) >= due, ARRIVED_WITHIN_MS)
    await pause(random.integer(0, MAX_PAUSE_MS))
    const instance = instances[index % instances.length] as Instance
    expect(await instance.end('SIGKILL')).to.include({ signal: 'SIGKILL' })
    await instance.start()
  }
}

/** Ends publishing when enough is acknowledged. Resolves to all that was published, when all of it is acknowledged. */
async function finish(publishers: readonly Publisher[]): Promise<ReadonlySet<string>> {
  await until('enough is acknowledged', () => acknowledgedBy(publishers) >= MESSAGES, ARRIVED_WITHIN_MS)
  for (const publisher of publishers) publisher.finish()
  await until('nothing awaits its acknowledgement', () => publishers.every(({ sent }) => sent.size === 0))
  expect(publishers.flatMap(({ refused }) => refused)).to.deep.equal([])
  return new Set(publishers.flatMap(({ acknowledged }) => [...acknowledged]))
}

function acknowledgedBy(publishers: readonly Publisher[]): number {
  return publishers.reduce((sum, { acknowledged }) => sum + acknowledged.size, 0)
}

/** Publishes without end until it shall finish, and sends again, under the same id, what has no answer. */
class Publisher {
  readonly connection: Connection
  readonly sent = new Map<string, object>()
  readonly acknowledged = new Set<string>()
  readonly refused: Body[] = []
  readonly #name: string
  #count = 0
  #finishing = false

  constructor({ url }: Instance, name: string) {
    this.#name = name
    this.connection = new Connection(url, {
      opened: () => {
        for (const message of this.sent.values()) this.connection.send(message)
        this.#fillWindow()
      },
      read: (body) => this.#read(body),
    })
  }

  /** Publishes nothing new any more. */
  finish(): void {
    this.#finishing = true
  }

  #read(body: Body): void {
    const { type, messageId } = body
    const message = this.sent.get(messageId)
    if (type === 'NACK' && body.retryable === true) {
      if (message) setTimeout(() => this.connection.send(message), Number(body.retryAfterMs ?? RETRY_AFTER_MS))
    } else if (type === 'ACK' || type === 'NACK') {
      this.sent.delete(messageId)
      if (type === 'ACK') this.acknowledged.add(messageId)
      else this.refused.push(body)
      this.#fillWindow()
    }
  }

  #fillWindow(): void {
    while (!this.#finishing && this.sent.size < WINDOW) {
      const index = this.#count++
      const message = {
        type: 'SK',
        messageId: `${this.#name}-${index}`,
        key: `${this.#name}/${index % 500}`,
        value: index,
      }
      this.sent.set(message.messageId, message)
      this.connection.send(message)
    }
  }
}

/** A durable receiver, and its ledger: how often each message came. */
class Receiver {
  readonly connection: Connection
  readonly ledger = new Map<string, number>()

  constructor({ url }: Instance) {
    this.connection = new Connection(`${url}?instanceId=receiver`, {
      opened: () => {},
      read: ({ type, messageId }) => {
        if (type === 'ACK' || type === 'NACK') return
        this.ledger.set(messageId, (this.ledger.get(messageId) ?? 0) + 1)
        this.connection.send({ type: 'ACK', messageId })
      },
    })
  }

  get repeated(): number {
    return [...this.ledger.values()].reduce((sum, times) => sum + times - 1, 0)
  }
}
