import { expect } from 'chai'
import { type RecipientKey, SELF } from '../../core/index.ts'
import { MemoryStore } from '../../plugins/stores/memory.ts'
import { bench } from '../plugins/delivery/support.ts'

const SECOND_MS = 1_000
const HOUR_MS = 3_600 * SECOND_MS

/** A store that counts how often sightings are written, and for how many at a time. */
class NotingStore extends MemoryStore {
  readonly notes: number[] = []
  failing = false

  override async noteSeen(recipients: readonly RecipientKey[], at: number): Promise<void> {
    if (this.failing) throw new Error('disk full')
    this.notes.push(recipients.length)
    return super.noteSeen(recipients, at)
  }
}

/** When each was last seen, as a bus would read it that starts now. */
async function remembered(store: MemoryStore, subject: Awaited<ReturnType<typeof bench>>) {
  await subject.end()
  const { recipients } = await store.open({ runtime: subject.runtime, instanceId: undefined })
  await store.close()
  const others = recipients.filter(({ name }) => name !== SELF)
  return Object.fromEntries(others.map(({ name, lastSeenAt }) => [name, lastSeenAt]))
}

describe('sightings', () => {
  it('are written down when links come up and go down, many together', async () => {
    const store = new NotingStore()
    const subject = await bench({ store })
    await subject.connect('pi-1')
    const leaver = await subject.connect('pi-2')
    await subject.pass(SECOND_MS)
    expect(store.notes).to.deep.equal([2])
    leaver.close()
    await subject.rest()
    const left = subject.runtime.now()
    await subject.pass(SECOND_MS)
    expect(store.notes).to.deep.equal([2, 1])
    await subject.pass(5 * SECOND_MS)
    const seen = await remembered(store, subject)
    expect(seen['pi-2']).to.be.within(left, left + SECOND_MS)
  })

  it('are written down every hour for those who stay', async () => {
    const store = new NotingStore()
    const subject = await bench({ store })
    await subject.connect('pi-1')
    await subject.pass(3 * HOUR_MS + SECOND_MS)
    expect(store.notes).to.deep.equal([1, 1, 1, 1])
  })

  it('are written down for the last time when the bus stops', async () => {
    const store = new NotingStore()
    const subject = await bench({ store })
    await subject.connect('pi-1')
    await subject.pass(HOUR_MS / 2)
    const stopped = subject.runtime.now()
    expect(await remembered(store, subject)).to.deep.equal({ 'pi-1': stopped })
    expect(subject.runtime.timers).to.deep.equal([])
  })

  it('are shown: now for who is linked, else the moment at which the link was lost', async () => {
    const subject = await bench()
    const seen = () => subject.bus.recipients().find(({ name }) => name === 'pi-1')?.lastSeenAt
    const application = await subject.connect('pi-1')
    await subject.pass(10 * SECOND_MS)
    expect(seen()).to.equal(subject.runtime.now())
    const left = subject.runtime.now()
    application.close()
    await subject.pass(10 * SECOND_MS)
    expect(seen()).to.equal(left)
  })

  it('are called to mind by a bus that starts again', async () => {
    const store = new MemoryStore()
    const first = await bench({ store })
    const application = await first.connect('pi-1')
    const left = first.runtime.now()
    application.close()
    await first.pass(HOUR_MS)
    await first.end()
    const second = await bench({ store, runtime: first.runtime })
    expect(second.bus.recipients().find(({ name }) => name === 'pi-1')?.lastSeenAt).to.be.within(left, left + SECOND_MS)
  })

  it('that could not be written down are written with the next ones', async () => {
    const store = new NotingStore()
    const subject = await bench({ store })
    store.failing = true
    await subject.connect('pi-1')
    await subject.pass(SECOND_MS)
    store.failing = false
    await subject.connect('pi-2')
    await subject.pass(SECOND_MS)
    expect(store.notes).to.deep.equal([2])
  })
})
