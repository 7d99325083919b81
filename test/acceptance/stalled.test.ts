import { once } from 'node:events'
import { expect } from 'chai'
import { WebSocket } from 'ws'
import { closeClients, connect } from '../support/client.ts'
import type { Instance } from './support/instance.ts'
import { get, startMesh } from './support/mesh.ts'
import { Stage } from './support/stage.ts'
import { until } from './support/until.ts'

const MESSAGES = 3_000
const VALUE = 'x'.repeat(1_000)
const HEALTHY = 48
const STALLED = ['deaf', 'silent'] as const
const ARRIVED_WITHIN_MS = 30_000
/** What the protocol lets be in flight to a plain recipient. */
const WINDOW = 64
/** Of the resident set, which moves by tens of megabytes with the garbage collector. */
const MAX_GROWTH_BYTES = 80 * 1024 * 1024

describe('fifty clients of which two stall', function () {
  this.timeout(60_000)

  let stage: Stage
  let instance: Instance
  let readers: Reader[]

  beforeEach(async () => {
    stage = await Stage.open()
    instance = get(await startMesh(stage, [{ name: 'aws' }]), 'aws')
    readers = []
  })

  afterEach(async () => {
    for (const reader of readers) reader.end()
    await closeClients()
    await stage.close()
  })

  const enter = async (name: string, acknowledges = true): Promise<Reader> => {
    const reader = new Reader(instance, name, acknowledges)
    readers.push(reader)
    await reader.opened
    return reader
  }

  /** Publishes all messages, and waits until whoever is not stalled has received and acknowledged them. */
  const serve = async (healthy: readonly Reader[], prefix: string): Promise<readonly string[]> => {
    const published = await publishAll(instance, prefix)
    const served = () => healthy.every(({ ids }) => missing(published, ids).length === 0)
    await until('the healthy have all', served, ARRIVED_WITHIN_MS)
    const settled = ({ name, backlog }: Figures) => isStalled(name) || backlog === 0
    await until('and have acknowledged all', async () => (await connections(instance)).every(settled))
    return published
  }

  it(`hold up none of the others, cost little memory, and get all ${MESSAGES} messages when they are back`, async () => {
    const healthy = await Promise.all(Array.from({ length: HEALTHY }, (_, index) => enter(`healthy-${index}`)))
    // The same load without them: what traffic costs by itself is no cost of the stalled.
    const usual: number[] = []
    for (const round of ['first', 'second', 'third']) {
      await serve(healthy, round)
      usual.push(await residentBytes(instance))
    }

    const [deaf, silent] = [await enter('deaf'), await enter('silent', false)]
    deaf.stopReading()
    const published = await serve(healthy, 'during')
    const growth = (await residentBytes(instance)) - Math.max(...usual)
    expect(growth, 'growth of memory').to.be.below(MAX_GROWTH_BYTES)
    expectHeldBack(await connections(instance))
    expect(deaf.ids.size, 'read while it reads nothing').to.equal(0)
    expect(silent.ids.size, 'sent without an acknowledgement').to.be.within(1, WINDOW)

    for (const reader of [deaf, silent]) reader.end()
    const back = await Promise.all(STALLED.map((name) => enter(name)))
    const complete = () => back.every(({ ids }) => missing(published, ids).length === 0)
    await until('those that are back have all', complete, ARRIVED_WITHIN_MS)
    const settled = async () => (await connections(instance)).every(({ backlog }) => backlog === 0)
    await until('and nothing is pending', settled)
  })
})

/** What is for the stalled is pending, and next to nothing of it is under way. */
function expectHeldBack(figures: readonly Figures[]): void {
  const stalled = figures.filter(({ name }) => isStalled(name))
  expect(stalled.map(({ name }) => name)).to.have.members(STALLED)
  for (const { name, backlog, inFlight } of stalled) {
    expect(backlog, `pending for ${name}`).to.equal(MESSAGES)
    expect(inFlight, `in flight to ${name}`).to.be.at.most(WINDOW)
  }
}

const isStalled = (name: string): boolean => STALLED.some((stalled) => stalled === name)

function missing(published: readonly string[], ids: ReadonlySet<string>): readonly string[] {
  return published.filter((id) => !ids.has(id))
}

/** Publishes all messages and waits until each is acknowledged. */
async function publishAll(instance: Instance, prefix: string): Promise<readonly string[]> {
  const publisher = await connect(instance)
  const ids = Array.from({ length: MESSAGES }, (_, index) => `${prefix}-${index}`)
  for (const messageId of ids) publisher.send({ type: 'SK', messageId, key: messageId, value: VALUE })
  await until('all is acknowledged', () => publisher.frames.length === MESSAGES, ARRIVED_WITHIN_MS)
  expect(publisher.frames.filter(({ body }) => body.type !== 'ACK')).to.deep.equal([])
  return ids
}

interface Figures {
  readonly name: string
  readonly inFlight: number
  readonly backlog: number
}

async function connections({ adminUrl }: Instance): Promise<readonly Figures[]> {
  const response = await fetch(`${adminUrl}/api/v1/connections`)
  return ((await response.json()) as { readonly items: readonly Figures[] }).items
}

async function residentBytes({ adminUrl }: Instance): Promise<number> {
  const metrics = await (await fetch(`${adminUrl}/metrics`)).text()
  const [, bytes] = /^process_resident_memory_bytes(?:\{.*\})? (\S+)/m.exec(metrics) ?? []
  return Number(bytes)
}

/** A named client that remembers of what it receives the ids alone: fifty of them receive a lot. */
class Reader {
  readonly name: string
  readonly ids = new Set<string>()
  readonly opened: Promise<unknown>
  readonly #socket: WebSocket

  constructor({ url }: Instance, name: string, acknowledges: boolean) {
    this.name = name
    this.#socket = new WebSocket(`${url}?instanceId=${name}`)
    this.opened = once(this.#socket, 'open')
    this.#socket.on('message', (data) => {
      const { messageId } = JSON.parse(String(data)) as { readonly messageId: string }
      this.ids.add(messageId)
      if (acknowledges) this.#socket.send(JSON.stringify({ type: 'ACK', messageId }))
    })
  }

  stopReading(): void {
    this.#socket.pause()
  }

  end(): void {
    this.#socket.terminate()
  }
}
