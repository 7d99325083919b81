import { expect } from 'chai'
import { millisecondsOf } from '../../../core/hybrid-clock.ts'
import { Desk } from './support.ts'

const HOUR = 3_600_000

/** Stamps of all messages that went to the latest socket, in milliseconds since the epoch. */
const stamps = (desk: Desk) => desk.socket.sent().map(({ version }) => millisecondsOf(version as string))

describe('the clock of a client', () => {
  let desk: Desk
  beforeEach(() => {
    desk = new Desk()
  })

  it('goes by the time of the instance, also for what was published before that was known', () => {
    const client = desk.connect()
    const real = desk.runtime.now() - HOUR
    void client.set('k', 1)
    desk.runtime.advance(100)
    desk.socket.open()
    expect(desk.socket.sent()).to.deep.equal([])
    desk.socket.say({ type: 'HELLO', time: real + 100 })
    desk.runtime.advance(50)
    void client.set('k', 2)
    expect(stamps(desk)).to.deep.equal([real, real + 150])
  })

  it('follows an instance that tells another time later', () => {
    const { client, socket } = desk.linked()
    const now = desk.runtime.now()
    socket.say({ type: 'HELLO', time: now + 5_000 })
    void client.set('k', 1)
    expect(stamps(desk)).to.deep.equal([now + 5_000])
  })

  it('never goes back: later writes have greater stamps', () => {
    const { client, socket } = desk.linked()
    void client.set('k', 1)
    socket.say({ type: 'HELLO', time: desk.runtime.now() - 10_000 })
    void client.set('k', 2)
    const [first, second] = socket.sent().map(({ version }) => version as string)
    expect(second && first && second > first).to.equal(true)
  })

  it('stamps behind what it has read, unless that is ahead by more than 60 s', () => {
    const { client, socket } = desk.linked({ name: 'shop' })
    const now = desk.runtime.now()
    const stamped = (ms: number) => `${now + ms}-00007-aws-1`
    socket.say({ type: 'SK', messageId: 'far', key: 'k', value: 1, version: stamped(60_001) })
    void client.set('k', 1)
    socket.say({ type: 'SK', messageId: 'near', key: 'k', value: 1, version: stamped(60_000) })
    void client.set('k', 2)
    expect(socket.sent().map(({ version }) => version)).to.deep.equal([
      `${now}-00000-shop`,
      `${now + 60_000}-00008-shop`,
    ])
  })

  it('counts as right when the instance never tells the time', () => {
    const client = desk.connect()
    void client.set('k', 1)
    const now = desk.runtime.now()
    desk.socket.open()
    desk.runtime.advance(999)
    expect(desk.socket.sent()).to.deep.equal([])
    desk.runtime.advance(1)
    expect(stamps(desk)).to.deep.equal([now])
  })

  it('names its client in each stamp, also one without a name', () => {
    const { client, socket } = desk.linked()
    void client.set('k', 1)
    expect(socket.sent()[0]?.version).to.match(/^[0-9]{13}-00000-c-[0-9a-f]{12}$/)
  })
})
