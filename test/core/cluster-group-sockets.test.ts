import { expect } from 'chai'
import { Cable } from '../acceptance/support/cable.ts'
import { type RunningBus, startBus } from '../support/bus.ts'
import { type Client, connect, eventually, isDelivery, nextMessage, noMessage } from '../support/client.ts'

/** Longer than a busy machine keeps an ACK waiting: what is sent again after that is no fault of the group's. */
const RETRY_DELAY_MS = 500

const order = (messageId: string) => ({ type: 'SK', messageId, key: messageId, value: 1 })

const isLinked = ({ bus }: RunningBus, name: string) =>
  bus.recipients().some((one) => one.name === name && one.connected)
const pendingAt = ({ bus }: RunningBus) => bus.recipients().reduce((sum, { pending }) => sum + pending, 0)
const idsOf = ({ frames }: Client) => frames.filter(({ body }) => isDelivery(body)).map(({ body }) => body.messageId)

for (const linked of [true, false]) {
  describe(`a cluster group over WebSockets, its members ${linked ? '' : 'not '}linked with each other`, () => {
    let cable: Cable
    let far: RunningBus
    let members: readonly [RunningBus, RunningBus]
    let shop: readonly [Client, Client]
    let bank: Client
    let desk: readonly [Client, Client]

    beforeEach(async () => {
      far = await startBus({ settings: { instanceId: 'b', clusterGroupId: 'b' } })
      const second = await startBus({ settings: { ...member('a2'), peers: [{ url: far.url }] } })
      cable = await Cable.to(Number(new URL(far.url).port))
      const others = linked ? [{ url: second.url, instanceId: 'a2' }] : []
      const peers = [{ url: cable.url, instanceId: 'b' }, ...others]
      members = [await startBus({ settings: { ...member('a1'), peers } }), second]
      await eventually(() => isLinked(far, 'a1') && isLinked(far, 'a2') && (!linked || isLinked(second, 'a1')))
      shop = [await connect(members[0], { name: 'shop' }), await connect(members[1], { name: 'shop' })]
      desk = [await connect(members[0], { name: 'desk' }), await connect(members[1], { name: 'desk' })]
      bank = await connect(far, { name: 'bank' })
    })

    afterEach(() => cable.remove())

    const member = (instanceId: string) => ({ instanceId, clusterGroupId: 'a', retryDelayMs: RETRY_DELAY_MS })

    it('stores what comes through both of them once, and brings it to everybody but its publisher', async () => {
      shop[0].send(order('m'))
      shop[1].send(order('m'))
      const answers = await Promise.all(shop.map((one) => one.next(({ type }) => type === 'ACK' || type === 'NACK')))
      for (const { body } of answers) expect(body).to.include({ type: 'ACK', messageId: 'm', clusterGroupId: 'a' })
      for (const reader of [bank, ...desk]) {
        const { body } = await nextMessage(reader)
        expect(body).to.deep.include({ messageId: 'm', clusterGroupId: 'a' })
        expect((body.messagePath as string[])[0]).to.equal('shop')
      }
      await eventually(() => [far, ...members].every((one) => pendingAt(one) === 0))
      for (const reader of [bank, ...desk]) expect(idsOf(reader)).to.deep.equal(['m'])
      for (const publisher of shop) await noMessage(publisher)
    })

    it('goes on without a member that is cut off, and knows again what that one passes on when it is back', async () => {
      cable.cut()
      await eventually(() => !isLinked(far, 'a1'))
      expect(await shop[0].publish(order('both'))).to.include({ type: 'ACK', status: 'stored' })
      expect(await shop[0].publish(order('first'))).to.include({ type: 'ACK', status: 'stored' })
      expect(await shop[1].publish(order('both'))).to.include({ type: 'ACK' })
      expect((await bank.next(({ messageId }) => messageId === 'both')).body).to.include({ clusterGroupId: 'a' })
      if (!linked) await noMessage(bank)
      cable.mend()
      if (!linked) await nextMessage(bank)
      await eventually(() => idsOf(bank).length === 2 && [far, ...members].every((one) => pendingAt(one) === 0))
      for (const reader of [bank, ...desk]) expect([...idsOf(reader)].sort()).to.deep.equal(['both', 'first'])
      for (const publisher of shop) expect(idsOf(publisher)).to.deep.equal([])
    })
  })
}
