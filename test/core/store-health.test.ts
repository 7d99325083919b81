import { expect } from 'chai'
import { type Batch, type StoreVerdict, slipstreamError } from '../../core/index.ts'
import { StoreHealth } from '../../core/store-health.ts'
import { MemoryStore } from '../../plugins/stores/memory.ts'
import { bench } from '../plugins/delivery/support.ts'
import { startBus } from '../support/bus.ts'
import { answers, closeClients, connect, eventually } from '../support/client.ts'
import { ManualRuntime } from './manual-runtime.ts'

const sk = (messageId: string) => ({ type: 'SK', messageId, key: 'k', value: 1 })

/** A store in memory whose disk is full: it has no room for messages, and some for what became of deliveries. */
class FullStore extends MemoryStore {
  full = false

  override async write(batch: Batch): Promise<readonly StoreVerdict[]> {
    if (this.full && batch.entries.length > 0) throw slipstreamError('SLP_STORE_FAILED', ['the disk is full'])
    return super.write(batch)
  }
}

describe('store health', () => {
  afterEach(closeClients)

  it('admits everything until the store fails, and then one trial at a time', async () => {
    const runtime = new ManualRuntime()
    const health = new StoreHealth(runtime)
    expect([health.admits(), health.admits()]).to.deep.equal([true, true])
    health.failed(new Error('the disk is full'))
    expect([health.admits(), health.admits()]).to.deep.equal([true, false])
    await runtime.advance(1_000)
    expect(health.admits()).to.equal(true)
    expect(health.check.check()).to.deep.equal({ ok: false, detail: 'the disk is full' })
    await runtime.advance(9_000)
    expect(health.check.check(), 'ready for a trial, or nobody would send one').to.include({ ok: true })
    health.failed(new Error('the disk is full'))
    expect(health.check.check()).to.include({ ok: false })
    health.worked()
    expect([health.admits(), health.admits()]).to.deep.equal([true, true])
    expect(health.check.check()).to.deep.equal({ ok: true })
  })

  it('refuses publishers while the store takes nothing, and lets them in again without a restart', async () => {
    const store = new MemoryStore()
    const write = store.write.bind(store)
    const bus = await startBus({ store })
    const publisher = await connect(bus)
    let trials = 0
    store.write = () => {
      trials++
      return Promise.reject(new Error('the disk is full'))
    }
    publisher.send(sk('m-1'))
    await eventually(() => trials > 0)
    for (const id of ['m-2', 'm-3']) publisher.send(sk(id))
    const refusal = (await publisher.next(answers('m-3'))).body
    expect(refusal).to.include({ type: 'NACK', code: 'STORE_UNAVAILABLE', retryable: true })
    store.write = write
    await eventually(() => {
      publisher.send(sk('m-3'))
      return store.statistics().messages > 0
    })
    expect(await publisher.publish(sk('m-1'))).to.include({ type: 'ACK' })
  })

  it('lets what became of deliveries reach a disk that has no room for messages, at once', async () => {
    const store = new FullStore()
    const subject = await bench({ store })
    const application = await subject.connect('app')
    await subject.publish('m')
    store.full = true
    application.ack('m')
    await subject.publish('too-much')
    expect(subject.sums()).to.include({ targeted: 1, acked: 1, pending: 0 })
  })
})
