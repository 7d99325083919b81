import { expect } from 'chai'
import { type Kernel, type Plugin, SELF } from '../../core/index.ts'
import { bench } from '../plugins/delivery/support.ts'

/** A bus, what its plugins can do, and how a test collapses a backlog. */
async function started() {
  let kernel: Kernel | undefined
  const spy: Plugin = {
    name: 'spy',
    apply(own) {
      kernel = own
    },
  }
  const subject = await bench({ plugins: [spy] })
  const collapse = async (name: string) => {
    const collapsing = (kernel as Kernel).collapse(name)
    await subject.rest()
    return collapsing
  }
  return Object.assign(subject, { collapse })
}

const versions = ['1', '2', '3'].map((n) => `000000000000${n}-00000-a`)
const writes = versions.map((version, index) => ({ messageId: `m-${index + 1}`, key: 'k', version }))

describe('a backlog that is collapsed', () => {
  it('brings the newest of each key when its recipient comes back, and nothing else', async () => {
    const subject = await started()
    const application = await subject.connect('app')
    application.close()
    await subject.publish(
      ...writes,
      { messageId: 'other', key: 'l' },
      { type: 'test.strict', messageId: 's-1', key: 'k' },
    )
    expect(await subject.collapse('app')).to.deep.equal({ deliveries: 2, pending: 3, done: true })
    expect(subject.bus.recipients().find(({ name }) => name === 'app')?.pending).to.equal(3)
    await subject.publish('late')
    const again = await subject.connect('app', () => 'ACK')
    await subject.pass(10)
    expect(again.got).to.deep.equal(['m-3', 'other', 's-1', 'late'])
    const none = { dead: 0, forgotten: 0 }
    expect(subject.sums()).to.deep.equal({ targeted: 6, acked: 4, pending: 0, collapsed: 2, ...none })
  })

  it('is that of somebody who is away: what is under way to one who is linked stays, and so does what is for the instance', async () => {
    const subject = await started()
    const application = await subject.connect('app')
    await subject.publish(...writes)
    expect(await subject.collapse('app')).to.equal(undefined)
    expect(await subject.collapse(SELF)).to.equal(undefined)
    expect(await subject.collapse('nobody')).to.equal(undefined)
    application.ack('m-1', 'm-2', 'm-3')
    await subject.pass(10)
    expect(subject.sums()).to.include({ acked: 3, collapsed: 0 })
  })

  it('loses nothing that came back from a lost link: the newest of it goes again', async () => {
    const subject = await started()
    const application = await subject.connect('app')
    await subject.publish(...writes)
    expect(application.got).to.have.lengthOf(3)
    application.close()
    await subject.rest()
    expect((await subject.collapse('app'))?.deliveries).to.equal(2)
    const again = await subject.connect('app', () => 'ACK')
    await subject.pass(10)
    expect(again.got).to.deep.equal(['m-3'])
    expect(subject.sums()).to.include({ acked: 1, collapsed: 2, pending: 0 })
  })
})
