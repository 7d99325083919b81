import { expect } from 'chai'
import { ProtocolFault, type Receipt, type Received, Stage } from '../../core/index.ts'
import { startBus } from '../support/bus.ts'
import { connect, nextMessage, noMessage } from '../support/client.ts'
import { failsOn, failuresIn, plugin, publishElsewhere, sk } from './support.ts'

const refusing = (name: string, stage: number, calls: string[] = []) =>
  plugin(name, ({ hooks }) =>
    hooks.onReceive.tap(
      (): Receipt => {
        calls.push(name)
        return { status: 'refused', code: 'FORBIDDEN', reason: `said ${name}` }
      },
      { stage },
    ),
  )

describe('hook onReceive', () => {
  it('passes a message on when no tap says anything', async () => {
    const bus = await startBus({ plugins: [plugin('silent', ({ hooks }) => hooks.onReceive.tap(() => undefined))] })
    expect(await publishElsewhere(bus)).to.include({ type: 'ACK', status: 'stored' })
  })

  it('ends the way of a message with the first verdict', async () => {
    const calls: string[] = []
    const plugins = [refusing('first', Stage.DEFAULT, calls), refusing('second', Stage.DEFAULT, calls)]
    const bus = await startBus({ plugins })
    const [publisher, receiver] = [await connect(bus), await connect(bus)]
    expect(await publisher.publish(sk('m'))).to.deep.include({ type: 'NACK', code: 'FORBIDDEN', reason: 'said first' })
    expect(calls).to.deep.equal(['first'])
    await noMessage(receiver)
  })

  it('asks taps by stage: limits, identity, validate, hint, whatever the order of the plugins', async () => {
    const seen: string[] = []
    const stages = {
      LATE: Stage.LATE,
      HINT: Stage.HINT,
      VALIDATE: Stage.VALIDATE,
      IDENTITY: Stage.IDENTITY,
      LIMITS: Stage.LIMITS,
    }
    const plugins = Object.entries(stages).map(([name, stage]) =>
      plugin(name, ({ hooks }) => hooks.onReceive.tap(() => void seen.push(name), { stage })),
    )
    await publishElsewhere(await startBus({ plugins }))
    expect(seen).to.deep.equal(['LIMITS', 'IDENTITY', 'VALIDATE', 'HINT', 'LATE'])
  })

  it('checks the schema of the type between identity and what stands behind', async () => {
    const seen: string[] = []
    const at = (name: string, stage: number) =>
      plugin(name, ({ hooks }) => hooks.onReceive.tap(() => void seen.push(name), { stage }))
    const bus = await startBus({ plugins: [at('behind', Stage.DEFAULT), at('before', Stage.IDENTITY)] })
    const publisher = await connect(bus)
    expect(await publisher.publish(sk('m', { key: 1 }))).to.include({ type: 'NACK', code: 'INVALID_MESSAGE' })
    expect(seen).to.deep.equal(['before'])
  })

  it('answers a duplicate with an ACK, and takes it no further', async () => {
    const duplicate = plugin('seen', ({ hooks }) => hooks.onReceive.tap(() => ({ status: 'duplicate', recipients: 7 })))
    const bus = await startBus({ plugins: [duplicate] })
    const [publisher, receiver] = [await connect(bus), await connect(bus)]
    expect(await publisher.publish(sk('m'))).to.include({ type: 'ACK', status: 'duplicate', recipients: 7 })
    await noMessage(receiver)
  })

  it('may say whether the same again could succeed', async () => {
    const busy = plugin('busy', ({ hooks }) =>
      hooks.onReceive.tap(() => ({ status: 'refused', code: 'FORBIDDEN', reason: 'at night', retryable: true })),
    )
    const answer = await publishElsewhere(await startBus({ plugins: [busy] }))
    expect(answer).to.include({ code: 'FORBIDDEN', retryable: true })
    expect(answer.retryAfterMs).to.be.greaterThan(0)
  })

  it('takes a fault in the words of the protocol for a refusal', async () => {
    const strict = plugin('strict', ({ hooks }) =>
      hooks.onReceive.tap(() => {
        throw new ProtocolFault('UNAUTHENTICATED', 'say who you are')
      }),
    )
    const bus = await startBus({ plugins: [strict] })
    expect(await publishElsewhere(bus)).to.include({ code: 'UNAUTHENTICATED', reason: 'say who you are' })
    expect(failuresIn(bus)).to.deep.equal([])
  })

  it('shows taps what they cannot change', async () => {
    const attempts: unknown[] = []
    const meddling = plugin('meddling', ({ hooks }) =>
      hooks.onReceive.tap((received: Received) => {
        for (const target of [received, received.body, received.body.value]) {
          try {
            Object.assign(target as object, { key: 'changed' })
            attempts.push(target)
          } catch (error) {
            expect(error).to.be.instanceOf(TypeError)
          }
        }
      }),
    )
    const bus = await startBus({ plugins: [meddling] })
    const [publisher, receiver] = [await connect(bus), await connect(bus)]
    await publisher.publish(sk('m', { value: { deep: true } }))
    expect(attempts).to.deep.equal([])
    expect((await nextMessage(receiver)).body).to.include({ key: 'k' })
  })

  it('turns a tap that throws into INTERNAL for that message alone, and names the plugin in the log only', async () => {
    const bus = await startBus({ plugins: [plugin('broken', ({ hooks }) => hooks.onReceive.tap(failsOn('bad')))] })
    const publisher = await connect(bus)
    publisher.send(sk('before'))
    publisher.send(sk('failing', { key: 'bad' }))
    publisher.send(sk('after'))
    const failed = await publisher.next(({ messageId }) => messageId === 'failing')
    expect(failed.body).to.include({ type: 'NACK', code: 'INTERNAL', retryable: true })
    expect(failed.text).not.to.contain('broken').and.not.to.contain('out of order')
    for (const messageId of ['before', 'after']) {
      expect((await publisher.next((body) => body.messageId === messageId)).body).to.include({ type: 'ACK' })
    }
    expect(failuresIn(bus)).to.deep.equal(['broken onReceive'])
    expect(await publishElsewhere(bus)).to.include({ type: 'ACK' })
  })
})
