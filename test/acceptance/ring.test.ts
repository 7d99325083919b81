import { expect } from 'chai'
import { requireService } from '../support/services.ts'
import { type Event, findPython, type PythonClient } from './support/python.ts'
import { Ring, type Side, type SideName, TAGS } from './support/ring.ts'
import { Stage } from './support/stage.ts'
import { storedIds } from './support/stored.ts'
import { until } from './support/until.ts'

const scale = process.env.SLIPSTREAM_ACCEPTANCE_MESSAGES
const MESSAGES = Number(scale ?? 20_000)
const MESSAGES_AROUND_A_KILL = Number(scale ?? 6_000)
const ARRIVED_WITHIN_MS = 120_000

/** All that the bus may add to a message, and nothing else. */
const ADDED_BY_THE_BUS = [
  ...['sourceInstanceId', 'messagePath', 'originInstanceId', 'originSequence'],
  ...['clusterGroupId', 'version', 'orderingKey'],
]

describe('a ring of three processes, with clients in another language', function () {
  this.timeout(300_000)

  let stage: Stage
  let python: string

  before(function () {
    python = findPython() ?? requireService(this, 'python3-websockets')
  })

  beforeEach(async () => {
    stage = await Stage.open()
  })

  afterEach(async () => {
    await stage.close()
  })

  it(`brings ${MESSAGES} messages to exactly those they are for: once, byte for byte, and without a loop`, async () => {
    const ring = await Ring.start(stage, python, 5)
    const sides = await ring.populate(MESSAGES)
    await allPublished(sides)
    const published = publishedBy(sides)
    expect(published.size).to.equal(MESSAGES)
    await allArrived(sides, published)
    for (const { instance } of sides) expect(await instance.end('SIGTERM')).to.include({ code: 0 })
    for (const side of sides) {
      expect(idsOf(side.receiver), `of ${side.instance.name}`).to.have.lengthOf(expectedOf(side, published).size)
      expectUntouched(side, published)
    }
  })

  it(`loses nothing that was acknowledged when an instance is killed amid ${MESSAGES_AROUND_A_KILL} messages`, async () => {
    const ring = await Ring.start(stage, python, 3)
    const sides = await ring.populate(MESSAGES_AROUND_A_KILL)
    const [aws, azure] = sides as [Side, Side, Side]
    await until('azure acknowledged a part', () => idsOf(azure.publisher).length > MESSAGES_AROUND_A_KILL / 10)
    await azure.instance.end('SIGKILL')
    const killedAt = Date.now()
    const acknowledged = idsOf(azure.publisher)
    const kept = await storedIds(stage, azure.instance)
    expect(
      acknowledged.filter((id) => !kept.has(id)),
      'acknowledged, and not in the file',
    ).to.deep.equal([])
    expect(acknowledged.length, 'killed too late to prove anything').to.be.below(MESSAGES_AROUND_A_KILL / 3)

    const before = idsOf(aws.publisher).length
    await until('the others go on', () => !aws.publisher.running || idsOf(aws.publisher).length > before + 50)
    await ring.azure.start()
    await allPublished(sides)
    const published = publishedBy(sides)
    await allArrived(sides, published)
    for (const side of sides) expectUntouched(side, published)
    expect(repeated(aws.receiver), 'repeated where nothing was killed').to.deep.equal([])
    expectRepeatedAround(killedAt, azure.receiver)
  })
})

/** A publisher ends when all that it published was acknowledged. */
async function allPublished(sides: readonly Side[]): Promise<void> {
  for (const { publisher } of sides) {
    expect(await publisher.ended, publisher.output).to.include({ code: 0 })
    expect(publisher.events('refused'), `refused to ${publisher.name}`).to.deep.equal([])
    expect(new Set(idsOf(publisher)).size).to.equal(publisher.events('published').length)
  }
}

async function allArrived(sides: readonly Side[], published: ReadonlyMap<string, Event>): Promise<void> {
  for (const side of sides) {
    const expected = expectedOf(side, published)
    const missing = () => {
      const arrived = new Set(idsOf(side.receiver))
      return [...expected].filter((id) => !arrived.has(id))
    }
    await until(
      `all of ${expected.size} arrived at ${side.instance.name}`,
      () => missing().length === 0,
      ARRIVED_WITHIN_MS,
    )
  }
}

function publishedBy(sides: readonly Side[]): ReadonlyMap<string, Event> {
  return new Map(sides.flatMap(({ publisher }) => publisher.events('published').map((one) => [one.messageId, one])))
}

/** What a receiver received, or a publisher was acknowledged. */
function idsOf(client: PythonClient): readonly string[] {
  const event = client.name.startsWith('receiver') ? 'received' : 'acknowledged'
  return client.events(event).map(({ messageId }) => messageId)
}

function expectedOf({ instance }: Side, published: ReadonlyMap<string, Event>): ReadonlySet<string> {
  const borne = TAGS[instance.name as SideName]
  const isForIt = ({ targetedTags: targeted }: Event) =>
    targeted.length === 0 || targeted.some((tag) => borne.includes(tag))
  return new Set([...published.values()].filter(isForIt).map(({ messageId }) => messageId))
}

/** Whatever was received is for this receiver, bears its publisher's text to the byte, and took a way without a loop. */
function expectUntouched(side: Side, published: ReadonlyMap<string, Event>): void {
  const expected = expectedOf(side, published)
  for (const { messageId, frame } of side.receiver.events('received')) {
    if (!expected.has(messageId)) throw new Error(`${messageId} came to ${side.instance.name} and is not for it`)
    const [added, more] = frame.split(`,${published.get(messageId)?.own}`)
    if (added === undefined || more === undefined) throw new Error(`${messageId} was changed on its way: ${frame}`)
    expectHonestWay(side.instance.name, messageId, JSON.parse(added + more))
  }
}

function expectHonestWay(here: string, messageId: string, added: Readonly<Record<string, unknown>>): void {
  expect(ADDED_BY_THE_BUS).to.include.members(Object.keys(added))
  const origin = messageId.slice(0, messageId.indexOf('-'))
  const path = (added.messagePath as string[]).filter((name) => name !== 'publisher-aws')
  expect(added).to.include({ originInstanceId: origin, sourceInstanceId: here })
  expect(path[0], `first in the path of ${messageId}`).to.equal(origin)
  expect(path.at(-1), `last in the path of ${messageId}`).to.equal(here)
  expect(new Set(path).size, `${messageId} went in a circle: ${path}`).to.equal(path.length)
}

function repeated(receiver: PythonClient): readonly (readonly Event[])[] {
  const byId = new Map<string, Event[]>()
  for (const one of receiver.events('received')) byId.set(one.messageId, [...(byId.get(one.messageId) ?? []), one])
  return [...byId.values()].filter((events) => events.length > 1)
}

/**
 * What was in flight when the instance died comes again: a window of 64, and the acknowledgements that waited for their
 * transaction. Nothing else does.
 */
function expectRepeatedAround(killedAt: number, receiver: PythonClient): void {
  const again = repeated(receiver)
  expect(again.length).to.be.at.most(256)
  for (const [first, second, ...more] of again) {
    expect(more, `${first?.messageId} came a third time`).to.deep.equal([])
    expect(first?.at).to.be.below(killedAt + 1_000)
    expect(second?.at).to.be.above(killedAt)
  }
}
