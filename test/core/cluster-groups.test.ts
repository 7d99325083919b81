import { expect } from 'chai'
import { Random } from '../simulation/random.ts'
import { type Frame, type Joined, type Lab, labOf } from './clock-lab.ts'

const A = ['a1', 'a2'] as const
const B = ['b1', 'b2'] as const
const BETWEEN = ['a1-b1', 'a1-b2', 'a2-b1', 'a2-b2']
const WITHIN = ['a1-a2', 'b1-b2']
const SEEDS = 6
const MESSAGES = 40

type Member = (typeof A | typeof B)[number]

const groupOf = (name: string) => name.slice(0, 1)
const isMessage = ({ type }: Frame) => type !== 'ACK' && type !== 'NACK'

/** Two groups of two instances, whose members are linked with all neighbours, and with each other or not. */
function groups(linked: boolean): Promise<Lab> {
  return labOf(linked ? [...BETWEEN, ...WITHIN] : BETWEEN, undefined, (name) => ({ clusterGroupId: groupOf(name) }))
}

/** An application under one name at both instances of a group, that comes back as often as they do. */
class Application {
  readonly #lab: Lab
  readonly #name: string
  readonly #joined = new Map<Member, Joined>()
  /** All connections that it ever had. */
  readonly #connections: [Member, Joined][] = []

  static async at(lab: Lab, group: readonly Member[], name: string): Promise<Application> {
    const application = new Application(lab, name)
    for (const member of group) await application.join(member)
    return application
  }

  private constructor(lab: Lab, name: string) {
    this.#lab = lab
    this.#name = name
  }

  async join(member: Member): Promise<void> {
    const joined = await this.#lab.join(member, this.#name)
    this.#joined.set(member, joined)
    this.#connections.push([member, joined])
  }

  /** Publishes through a member, and resolves to the answer. */
  async publish(member: Member, messageId: string, members: object = {}): Promise<Frame | undefined> {
    this.#joined.get(member)?.send({ type: 'test.merged', messageId, key: messageId, value: 1, ...members })
    await this.#lab.pass(100)
    const answers = this.#joined.get(member)?.frames.filter((frame) => frame.messageId === messageId)
    return answers?.filter((frame) => !isMessage(frame)).at(-1)
  }

  /** Ids of what it was sent by a member, in all its lives, in order. */
  sentBy(member: Member): readonly unknown[] {
    const those = this.#connections.filter(([by]) => by === member)
    return those.flatMap(([, { frames }]) => frames.filter(isMessage).map(({ messageId }) => messageId))
  }

  /** What it makes of that: each message once, by its id and the group where it entered. */
  get handled(): readonly string[] {
    const frames = this.#connections.flatMap(([, joined]) => joined.frames.filter(isMessage))
    return [...new Set(frames.map(({ clusterGroupId, messageId }) => `${clusterGroupId} ${messageId}`))].sort()
  }
}

/** What all lives of each instance have applied, in order. */
class Applied {
  readonly #lab: Lab
  readonly #before = new Map<string, readonly string[]>()

  constructor(lab: Lab) {
    this.#lab = lab
  }

  async stop(member: Member): Promise<void> {
    this.#before.set(member, this.at(member))
    await this.#lab.stop(member)
  }

  at(member: Member): readonly string[] {
    return [...(this.#before.get(member) ?? []), ...(this.#lab.at(member)?.applied ?? [])]
  }
}

for (const linked of [true, false]) {
  describe(`two cluster groups of two, members ${linked ? 'linked' : 'not linked'} with each other`, () => {
    let lab: Lab
    let shop: Application
    let bank: Application
    let applied: Applied

    beforeEach(async () => {
      lab = await groups(linked)
      shop = await Application.at(lab, A, 'shop')
      bank = await Application.at(lab, B, 'bank')
      applied = new Applied(lab)
      await lab.pass(1_000)
    })

    const expectOnceEverywhere = (ids: readonly string[]) => {
      for (const member of [...A, ...B])
        expect([...applied.at(member)].sort(), `applied at ${member}`).to.deep.equal(ids)
      for (const member of B) expect([...bank.sentBy(member)].sort(), `sent by ${member}`).to.deep.equal(ids)
      expect(bank.handled).to.deep.equal(ids.map((id) => `a ${id}`))
      for (const member of A) expect(shop.sentBy(member), `sent back by ${member}`).to.deep.equal([])
    }

    const expectAtRest = async () => {
      for (const member of [...A, ...B]) {
        const { bus, kernel } = lab.at(member)
        expect(await kernel.deadLetters.list({}, { limit: 1 }), member).to.include({ total: 0 })
        for (const { name, pending } of bus.recipients()) expect(pending, `at ${member} for ${name}`).to.equal(0)
      }
    }

    it('take what is published through both members for one message', async () => {
      expect(await shop.publish('a1', 'm')).to.include({ type: 'ACK', status: 'stored', clusterGroupId: 'a' })
      expect(await shop.publish('a2', 'm')).to.include({ type: 'ACK', status: 'duplicate', clusterGroupId: 'a' })
      await lab.pass(5_000)
      expectOnceEverywhere(['m'])
      await expectAtRest()
    })

    it('take what both members stored before they knew of each other for one message', async () => {
      for (const member of B) await applied.stop(member)
      if (linked) await applied.stop('a2')
      expect(await shop.publish('a1', 'm')).to.include({ type: 'ACK', status: 'stored' })
      if (linked) {
        await applied.stop('a1')
        await lab.start('a2')
        await shop.join('a2')
      }
      expect(await shop.publish('a2', 'm')).to.include({ type: 'ACK', status: 'stored' })
      for (const member of linked ? (['a1', ...B] as const) : B) await lab.start(member)
      for (const member of B) await bank.join(member)
      await lab.pass(180_000)
      expectOnceEverywhere(['m'])
      await expectAtRest()
    })

    it('go on while a member is away, which has everything when it returns', async () => {
      for (const [index, member] of [...A, ...B].entries()) {
        await applied.stop(member)
        const other = A.find((name) => name !== member) as Member
        expect(await shop.publish(other, `m-${index}`)).to.include({ type: 'ACK', status: 'stored' })
        const ids = Array.from({ length: index + 1 }, (_, n) => `a m-${n}`)
        await lab.pass(5_000)
        expect(bank.handled).to.deep.equal(ids)
        await lab.start(member)
        await (groupOf(member) === 'a' ? shop : bank).join(member)
        await lab.pass(180_000)
      }
      expectOnceEverywhere(['m-0', 'm-1', 'm-2', 'm-3'])
      await expectAtRest()
    })

    it('forward what a member had acknowledged and not forwarded, when it returns', async () => {
      for (const member of [...B, 'a2'] as const) await applied.stop(member)
      expect(await shop.publish('a1', 'm')).to.include({ type: 'ACK', status: 'stored' })
      await applied.stop('a1')
      for (const member of [...B, 'a2'] as const) await lab.start(member)
      for (const member of B) await bank.join(member)
      await lab.pass(180_000)
      expect(bank.handled).to.deep.equal([])
      await lab.start('a1')
      await lab.pass(180_000)
      expectOnceEverywhere(['m'])
    })

    it('bring what the other group publishes to an application at both members, by each of them', async () => {
      expect(await bank.publish('b2', 'm')).to.include({ type: 'ACK', status: 'stored', clusterGroupId: 'b' })
      await lab.pass(5_000)
      for (const member of A) expect(shop.sentBy(member)).to.deep.equal(['m'])
      expect(shop.handled).to.deep.equal(['b m'])
    })

    it('tell one id in two groups apart', async () => {
      await shop.publish('a1', 'm')
      await bank.publish('b1', 'm')
      await lab.pass(5_000)
      for (const member of [...A, ...B]) expect(applied.at(member)).to.deep.equal(['m', 'm'])
    })

    it('refuse one id for two bodies, at the latest where they meet', async () => {
      await shop.publish('a1', 'm')
      const answer = await shop.publish('a2', 'm', { value: 2 })
      await lab.pass(5_000)
      expect(answer).to.include({ type: 'NACK', code: 'CONFLICT', retryable: false })
      for (const member of [...A, ...B]) expect(applied.at(member)).to.deep.equal(['m'])
    })

    for (let seed = 1; seed <= SEEDS; seed++) {
      it(`handle each message once, whichever members come and go, seed ${seed}`, async () => {
        const random = new Random(seed)
        const away = new Set<Member>()
        const come = async (member: Member) => {
          away.delete(member)
          await lab.start(member)
          await (groupOf(member) === 'a' ? shop : bank).join(member)
        }
        const comeOrGo = async (member: Member) => {
          if (away.has(member)) return come(member)
          if (random.chance(0.6)) return
          away.add(member)
          await applied.stop(member)
        }
        const publish = async (messageId: string) => {
          const ways = A.filter((one) => !away.has(one))
          for (const way of random.chance(0.4) ? ways : [random.pick(ways)]) {
            expect(await shop.publish(way, messageId), `${messageId} by ${way}`).to.include({ type: 'ACK' })
          }
        }
        const ids = Array.from({ length: MESSAGES }, (_, n) => `m-${100 + n}`)
        for (const messageId of ids) {
          await comeOrGo(random.pick<Member>([...A, ...B]))
          if (A.every((one) => away.has(one))) await come(random.pick(A))
          await publish(messageId)
          if (random.chance(0.3)) await lab.pass(random.integer(0, 30_000))
        }
        for (const member of [...away]) await come(member)
        await lab.pass(300_000)
        expectOnceEverywhere(ids)
        await expectAtRest()
      })
    }
  })
}
