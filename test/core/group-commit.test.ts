import { expect } from 'chai'
import { type CommitResult, GroupCommit } from '../../core/group-commit.ts'
import type { Arrival, Attempts, Death, DeliveryChanges, Retry } from '../../core/index.ts'
import { ProtocolFault } from '../../core/protocol/fault.ts'
import { Route } from '../../core/route.ts'
import { ManualRuntime, settle } from './manual-runtime.ts'
import { failureOf, linkTo, message, receivedFrom } from './support.ts'

/** A group commit whose transactions last until the test ends them. */
function groupCommit() {
  const runtime = new ManualRuntime()
  const commits: { readonly messages: number; readonly changes: DeliveryChanges; done(result: CommitResult): void }[] =
    []
  const group = new GroupCommit(
    runtime,
    (arrivals, changes) => new Promise((done) => void commits.push({ messages: arrivals.length, changes, done })),
  )
  /** Ends the transaction that is under way, and lets the next turn begin. */
  const finish = async (result: CommitResult = 'written') => {
    commits.at(-1)?.done(result)
    await settle()
    await runtime.turn()
  }
  return { group, runtime, commits, finish }
}

function arrivalFrom(sender = linkTo(), bytes?: number): Arrival {
  const text = '{"type":"SK"}'
  const received = receivedFrom(sender.link, bytes === undefined ? text : text.padEnd(bytes))
  return { received, message: message(), route: new Route([]) }
}

const ATTEMPTS: Attempts = { sends: 1, nacks: 1, timeouts: 0, disconnects: 0 }
const retry = (seq: number): Retry => ({ recipient: 1, seq, attempts: ATTEMPTS, dueAt: 0 })
const death = (seq: number): Death => ({
  recipient: 1,
  seq,
  attempts: ATTEMPTS,
  reason: 'REJECTED',
  error: 'no',
  plugin: 'test',
  pluginVersion: undefined,
})

/** How much each transaction held: messages, settlements, retries, deaths. */
const contents = ({ commits }: ReturnType<typeof groupCommit>) =>
  commits.map(({ messages, changes: { settlements, retries, deaths } }) => {
    return [messages, settlements.length, retries.length, deaths.length]
  })

const sizes = ({ commits }: ReturnType<typeof groupCommit>) => commits.map(({ messages }) => messages)

async function expectBusy({ group }: ReturnType<typeof groupCommit>, { link, near }: ReturnType<typeof linkTo>) {
  const fault = await failureOf(ProtocolFault, () => group.assertRoom(link))
  expect(fault).to.include({ code: 'BUSY' })
  expect(fault.retryAfterMs).to.be.within(100, 60_000)
  expect(near.paused).to.equal(true)
}

describe('group commit', () => {
  it('commits at the end of the turn all that came in during it', async () => {
    const subject = groupCommit()
    for (let count = 0; count < 3; count++) subject.group.add(arrivalFrom())
    expect(subject.commits).to.have.length(0)
    await subject.runtime.turn()
    expect(sizes(subject)).to.deep.equal([3])
  })

  it('makes one group of what comes in while a transaction runs, and never runs two', async () => {
    const subject = groupCommit()
    subject.group.add(arrivalFrom())
    await subject.runtime.turn()
    for (let count = 0; count < 5; count++) subject.group.add(arrivalFrom())
    await subject.runtime.turn()
    expect(sizes(subject)).to.deep.equal([1])
    await subject.finish()
    expect(sizes(subject)).to.deep.equal([1, 5])
  })

  it('takes settlements along with messages', async () => {
    const subject = groupCommit()
    subject.group.settle({ recipient: 1, seq: 1 })
    subject.group.add(arrivalFrom())
    subject.group.settle({ recipient: 1, seq: 2 })
    await subject.runtime.turn()
    expect(contents(subject)[0]).to.deep.equal([1, 2, 0, 0])
    expect(subject.runtime.timers).to.deep.equal([])
  })

  it('commits settlements alone when no message comes within 5 ms', async () => {
    const subject = groupCommit()
    subject.group.settle({ recipient: 1, seq: 1 })
    subject.group.settle({ recipient: 1, seq: 2 })
    await subject.runtime.advance(4)
    await subject.runtime.turn()
    expect(subject.commits).to.have.length(0)
    await subject.runtime.advance(1)
    await subject.runtime.turn()
    expect(contents(subject)[0]).to.deep.equal([0, 2, 0, 0])
  })

  it('commits settlements at once when 512 have come together', async () => {
    const subject = groupCommit()
    for (let seq = 1; seq <= 512; seq++) subject.group.settle({ recipient: 1, seq })
    await subject.runtime.turn()
    expect(contents(subject)[0]).to.deep.equal([0, 512, 0, 0])
  })

  it('commits settlements that came during a long transaction, though nothing else comes', async () => {
    const subject = groupCommit()
    subject.group.add(arrivalFrom())
    await subject.runtime.turn()
    subject.group.settle({ recipient: 1, seq: 1 })
    await subject.runtime.advance(100)
    subject.group.settle({ recipient: 1, seq: 2 })
    await subject.finish()
    await subject.runtime.advance(5)
    await subject.runtime.turn()
    expect(contents(subject)[1]).to.deep.equal([0, 2, 0, 0])
    await subject.finish()
    subject.group.settle({ recipient: 1, seq: 3 })
    await subject.runtime.advance(5)
    await subject.runtime.turn()
    expect(contents(subject)[2]).to.deep.equal([0, 1, 0, 0])
  })

  it('commits what waits before it is idle', async () => {
    const subject = groupCommit()
    subject.group.settle({ recipient: 1, seq: 1 })
    let idle = false
    void subject.group.idle().then(() => {
      idle = true
    })
    await subject.runtime.turn()
    expect([subject.commits.length, idle]).to.deep.equal([1, false])
    await subject.finish()
    expect(idle).to.equal(true)
    expect(subject.runtime.timers).to.deep.equal([])
  })

  it('runs what came in between as soon as the transaction is over, though nothing else comes', async () => {
    const subject = groupCommit()
    subject.group.add(arrivalFrom())
    await subject.runtime.turn()
    let ran = false
    void subject.group.between(async () => {
      ran = true
    })
    await subject.runtime.turn()
    expect(ran).to.equal(false)
    await subject.finish()
    expect(ran).to.equal(true)
  })

  it('splits what is too much for one transaction: 1,024 messages', async () => {
    const subject = groupCommit()
    const sender = linkTo()
    for (let count = 0; count < 2_500; count++) subject.group.add(arrivalFrom(sender))
    await subject.runtime.turn()
    await subject.finish()
    await subject.finish()
    expect(sizes(subject)).to.deep.equal([1_024, 1_024, 452])
  })

  it('splits what is too much for one transaction: a megabyte', async () => {
    const subject = groupCommit()
    for (let count = 0; count < 6; count++) subject.group.add(arrivalFrom(linkTo(), 250 * 1024))
    await subject.runtime.turn()
    await subject.finish()
    expect(sizes(subject)).to.deep.equal([5, 1])
  })

  it('pauses whoever sends while the queue is full, and resumes when half of it is gone', async () => {
    const subject = groupCommit()
    const [quiet, loud] = [linkTo(), linkTo()]
    for (const { near } of [quiet, loud]) near.resume()
    subject.group.add(arrivalFrom(quiet))
    for (let count = 0; count < 4_096; count++) subject.group.add(arrivalFrom(loud))
    expect([quiet.near.paused, loud.near.paused]).to.deep.equal([false, true])
    await subject.runtime.turn()
    await subject.finish()
    await subject.finish()
    expect(loud.near.paused).to.equal(true)
    await subject.finish()
    expect(loud.near.paused).to.equal(false)
  })

  it('pauses for bytes as well', async () => {
    const subject = groupCommit()
    const sender = linkTo()
    sender.near.resume()
    for (let count = 0; count < 33; count++) subject.group.add(arrivalFrom(sender, 250 * 1024))
    expect(sender.near.paused).to.equal(true)
    await subject.runtime.turn()
    for (let count = 0; count < 7; count++) await subject.finish()
    expect(sender.near.paused).to.equal(false)
  })

  it('refuses with BUSY, and pauses as well, whoever comes while twice as much waits as pauses a link', async () => {
    const subject = groupCommit()
    const [many, late] = [linkTo(), linkTo()]
    for (const { near } of [many, late]) near.resume()
    for (let count = 0; count < 8_192; count++) {
      subject.group.assertRoom(many.link)
      subject.group.add(arrivalFrom(many))
    }
    await expectBusy(subject, late)
    await subject.runtime.turn()
    for (let count = 0; count < 6; count++) await subject.finish()
    subject.group.assertRoom(late.link)
    expect(late.near.paused, 'until half of what pauses is left').to.equal(true)
    await subject.finish()
    expect(late.near.paused).to.equal(false)
    await subject.finish()
    expect(sizes(subject), 'nothing that was let in is dropped').to.deep.equal(Array(8).fill(1_024))
  })

  it('refuses for bytes as well', async () => {
    const subject = groupCommit()
    const sender = linkTo()
    for (let count = 0; count < 66; count++) subject.group.add(arrivalFrom(sender, 250 * 1024))
    await expectBusy(subject, linkTo())
  })

  it('advises those whom it refuses to wait for as long as all that waits takes at the pace of the transactions', async () => {
    const subject = groupCommit()
    const sender = linkTo()
    const advice = async () =>
      (await failureOf(ProtocolFault, () => subject.group.assertRoom(sender.link))).retryAfterMs
    const fill = () => {
      for (let count = 0; count < 8_192; count++) subject.group.add(arrivalFrom(sender))
    }
    fill()
    expect(await advice(), 'nothing is known yet').to.equal(100)
    await subject.runtime.turn()
    fill()
    await subject.runtime.advance(50)
    expect(await advice(), 'fifteen transactions, of which one has taken 50 ms so far').to.equal(750)
    await subject.finish()
    fill()
    expect(await advice(), 'twenty-two of 50 ms').to.equal(1_100)
    await subject.runtime.advance(3_600_000)
    expect(await advice(), 'a minute at most').to.equal(60_000)
  })

  it('is behind when 10,000 changes are not on disk, whether they wait, are being written, or could not be', async () => {
    const subject = groupCommit()
    let caughtUp = 0
    subject.group.whenCaughtUp(() => caughtUp++)
    for (let seq = 1; seq <= 9_997; seq++) subject.group.settle({ recipient: 1, seq })
    await subject.runtime.turn()
    await subject.finish('failed')
    subject.group.settle({ recipient: 1, seq: 9_998 })
    subject.group.retry(retry(9_999), () => {})
    expect(subject.group.isBehind).to.equal(false)
    subject.group.bury(death(10_000), () => {})
    expect(subject.group.isBehind).to.equal(true)
    await subject.runtime.turn()
    expect(subject.group.isBehind, 'while some are written').to.equal(true)
    await subject.finish()
    expect([subject.group.isBehind, caughtUp]).to.deep.equal([false, 1])
    await subject.runtime.advance(1_000)
    await subject.runtime.turn()
    await subject.finish()
    expect(contents(subject)).to.deep.equal([
      [0, 9_997, 0, 0],
      [0, 1, 1, 1],
      [0, 9_997, 0, 0],
    ])
    expect(caughtUp, 'it was not behind any more').to.equal(1)
  })

  it('is idle when nothing waits or is under way', async () => {
    const subject = groupCommit()
    await subject.group.idle()
    subject.group.add(arrivalFrom())
    let idle = false
    void subject.group.idle().then(() => {
      idle = true
    })
    await subject.runtime.turn()
    expect(idle).to.equal(false)
    subject.group.add(arrivalFrom())
    await subject.finish()
    expect(idle).to.equal(false)
    await subject.finish()
    expect(idle).to.equal(true)
  })

  it('tells that a retry or a death is on disk only when it is', async () => {
    const subject = groupCommit()
    const told: string[] = []
    subject.group.retry(retry(1), () => void told.push('retry'))
    subject.group.bury(death(2), () => void told.push('death'))
    await subject.runtime.turn()
    expect(contents(subject)).to.deep.equal([[0, 0, 1, 1]])
    expect(told).to.deep.equal([])
    await subject.finish()
    expect(told).to.deep.equal(['retry', 'death'])
  })

  it('writes retries and deaths without waiting, those too that come while a transaction runs', async () => {
    const subject = groupCommit()
    subject.group.retry(retry(1), () => {})
    await subject.runtime.turn()
    subject.group.bury(death(2), () => {})
    await subject.finish()
    expect(contents(subject)).to.deep.equal([
      [0, 0, 1, 0],
      [0, 0, 0, 1],
    ])
  })

  it('writes again a second later what the store could not take, as often as it must, and tells of it once', async () => {
    const subject = groupCommit()
    let told = 0
    subject.group.settle({ recipient: 1, seq: 1 })
    subject.group.retry(retry(2), () => void told++)
    subject.group.bury(death(3), () => void told++)
    await subject.runtime.turn()
    for (let failures = 1; failures <= 3; failures++) {
      await subject.finish('failed')
      expect([subject.commits.length, told]).to.deep.equal([failures, 0])
      await subject.runtime.advance(1_000)
      await subject.runtime.turn()
    }
    await subject.finish()
    expect(contents(subject)).to.deep.equal(Array.from({ length: 4 }, () => [0, 1, 1, 1]))
    expect(told).to.equal(2)
    await subject.runtime.advance(60_000)
    await subject.runtime.turn()
    expect(subject.commits).to.have.length(4)
  })

  it('tries changes once more by themselves when the disk is too full for messages, before it waits', async () => {
    const subject = groupCommit()
    const told: string[] = []
    subject.group.settle({ recipient: 1, seq: 1 })
    subject.group.bury(death(2), () => void told.push('death'))
    subject.group.add(arrivalFrom())
    await subject.runtime.turn()
    await subject.finish('failed')
    expect(contents(subject)).to.deep.equal([
      [1, 1, 0, 1],
      [0, 1, 0, 1],
    ])
    await subject.finish()
    expect(told).to.deep.equal(['death'])
    await subject.runtime.advance(60_000)
    expect(subject.commits, 'nothing is left to write').to.have.length(2)
  })

  it('waits a second when the changes do not fit by themselves either', async () => {
    const subject = groupCommit()
    subject.group.retry(retry(1), () => {})
    subject.group.add(arrivalFrom())
    await subject.runtime.turn()
    await subject.finish('failed')
    await subject.finish('failed')
    expect(subject.commits).to.have.length(2)
    await subject.runtime.advance(1_000)
    await subject.runtime.turn()
    expect(contents(subject).slice(1)).to.deep.equal([
      [0, 0, 1, 0],
      [0, 0, 1, 0],
    ])
  })

  it('does not try at once a store that failed in another way than for the time being', async () => {
    const subject = groupCommit()
    subject.group.retry(retry(1), () => {})
    subject.group.add(arrivalFrom())
    await subject.runtime.turn()
    await subject.finish('broken')
    expect(subject.commits).to.have.length(1)
    await subject.runtime.advance(1_000)
    await subject.runtime.turn()
    expect(contents(subject)[1]).to.deep.equal([0, 0, 1, 0])
  })

  it('leaves messages that the store could not take to their senders', async () => {
    const subject = groupCommit()
    subject.group.add(arrivalFrom())
    await subject.runtime.turn()
    await subject.finish('failed')
    await subject.runtime.advance(60_000)
    await subject.runtime.turn()
    expect(sizes(subject)).to.deep.equal([1])
  })

  it('leaves no timer behind when it is closed', async () => {
    const subject = groupCommit()
    subject.group.retry(retry(1), () => {})
    await subject.runtime.turn()
    await subject.finish('failed')
    subject.group.close()
    expect(subject.runtime.timers).to.deep.equal([])
  })
})
