import { expect } from 'chai'
import {
  CloseCode,
  type Kernel,
  type Plugin,
  type RecipientKey,
  type RecipientRecord,
  type Settings,
} from '../../core/index.ts'
import { MemoryStore } from '../../plugins/stores/memory.ts'
import { bench } from '../plugins/delivery/support.ts'

/** A store that takes its time to change what it knows of a recipient. */
class SlowStore extends MemoryStore {
  #resume: (() => void)[] = []
  #slow = false

  slowDown(): void {
    this.#slow = true
  }

  goOn(): void {
    this.#slow = false
    for (const resume of this.#resume.splice(0)) resume()
  }

  override async forgetRecipient(key: RecipientKey): Promise<void> {
    await this.#wait()
    return super.forgetRecipient(key)
  }

  override async forgetBacklog(key: RecipientKey): Promise<number> {
    await this.#wait()
    return super.forgetBacklog(key)
  }

  override async saveRecipient(record: RecipientRecord): Promise<RecipientKey> {
    await this.#wait()
    return super.saveRecipient(record)
  }

  #wait(): Promise<void> | undefined {
    return this.#slow ? new Promise((resolve) => this.#resume.push(resolve)) : undefined
  }
}

/** A bus that calls `act` whenever a message is routed, and knows an application that is away. */
async function started(act: (kernel: Kernel) => void = () => {}, settings: Partial<Settings> = {}) {
  let kernel: Kernel | undefined
  const refused: string[] = []
  const spy: Plugin = {
    name: 'spy',
    apply(own) {
      kernel = own
      own.hooks.route.tap((route) => {
        act(own)
        return route
      })
      own.hooks.refused.tap(({ code }) => void refused.push(code))
    },
  }
  const store = new SlowStore()
  const subject = await bench({ plugins: [spy], store, settings })
  const application = await subject.connect('app')
  application.close()
  await subject.rest()
  return Object.assign(subject, { kernel: kernel as Kernel, slow: store, refused })
}

describe('a recipient that is forgotten', () => {
  it('is not among those for whom a message is stored that was routed to it before', async () => {
    const subject = await started(({ forgetAbsent }) => void forgetAbsent('app'))
    const other = await subject.connect('other', () => 'ACK')
    await subject.publish('m-1')
    await subject.pass(10)
    expect(subject.refused).to.deep.equal([])
    expect(other.got).to.deep.equal(['m-1'])
    expect(subject.store.ledger().map(({ recipient }) => recipient)).to.not.include('app')
  })

  it('can come back as somebody new, also while it is being forgotten', async () => {
    const subject = await started()
    await subject.publish('m-1')
    subject.slow.slowDown()
    const forgetting = subject.kernel.forget('app')
    await subject.rest()
    const early = await subject.connect('app', () => 'ACK')
    subject.slow.goOn()
    await subject.rest()
    expect(await forgetting).to.equal(true)
    expect(early.closed).to.equal(CloseCode.TRY_AGAIN_LATER)
    const late = await subject.connect('app', () => 'ACK')
    await subject.publish('m-2')
    await subject.pass(10)
    expect(late.got).to.deep.equal(['m-2'])
    expect(subject.sums()).to.include({ targeted: 2, acked: 1, forgotten: 1, pending: 0 })
  })

  it('is let in as somebody new when it was forgotten while it was identified', async () => {
    const subject = await started()
    const { slow } = subject
    slow.slowDown()
    const asInstance = await subject.connect('app', () => 'ACK', { role: 'instance' })
    const forgetting = subject.kernel.forget('app')
    await subject.rest()
    slow.goOn()
    await subject.rest()
    await forgetting
    expect(asInstance.closed).to.equal(CloseCode.TRY_AGAIN_LATER)
    const again = await subject.connect('app', () => 'ACK', { role: 'instance' })
    await subject.publish('m-1')
    expect(again.got).to.deep.equal(['m-1'])
  })

  it('gets nothing of what waited, not from memory either, when it stays because the configuration names it', async () => {
    const subject = await started(undefined, { peers: [{ url: 'memory://gcp', instanceId: 'gcp-1' }] })
    await subject.publish('m-1', 'm-2')
    const forgetting = subject.kernel.forgetAbsent('gcp-1')
    await subject.rest()
    expect(await forgetting).to.equal(2)
    await subject.publish('m-3')
    const pending = () => subject.bus.recipients().find(({ name }) => name === 'gcp-1')?.pending
    expect(pending()).to.equal(1)
    const peer = await subject.connect('gcp-1', () => 'ACK', { role: 'instance' })
    await subject.pass(10)
    expect(peer.got).to.deep.equal(['m-3'])
    expect(pending()).to.equal(0)
    expect(subject.sums('gcp-1')).to.include({ targeted: 3, acked: 1, forgotten: 2 })
  })
})
