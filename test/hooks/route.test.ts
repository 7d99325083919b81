import { expect } from 'chai'
import { type Message, Stage } from '../../core/index.ts'
import { startBus } from '../support/bus.ts'
import { connect, nextMessage, noMessage } from '../support/client.ts'
import { failsOn, failuresIn, plugin, publishElsewhere, sk } from './support.ts'

describe('hook route', () => {
  it('begins with everyone but the sender, and hands each tap what the one before returned', async () => {
    const seen: string[][] = []
    const watching = (name: string, leaves: string) =>
      plugin(name, ({ hooks }) =>
        hooks.route.tap((route) => {
          seen.push(route.recipients.map((recipient) => recipient.name))
          return route.without(name, (recipient) => recipient.name === leaves)
        }),
      )
    const bus = await startBus({
      plugins: [watching('one', 'a'), watching('two', 'b')],
      without: ['tags', 'path', 'target'],
    })
    const publisher = await connect(bus, { name: 'p' })
    const [a, b, c] = [
      await connect(bus, { name: 'a' }),
      await connect(bus, { name: 'b' }),
      await connect(bus, { name: 'c' }),
    ]
    expect(await publisher.publish(sk('m'))).to.include({ recipients: 1 })
    await nextMessage(c)
    await noMessage(a)
    await noMessage(b)
    expect(seen).to.deep.equal([
      ['a', 'b', 'c'],
      ['b', 'c'],
    ])
  })

  it('keeps the reason why somebody is left out', async () => {
    const reasons: string[] = []
    const last = plugin('last', ({ hooks }) =>
      hooks.route.tap(
        (route) => {
          reasons.push(...route.excluded.map(({ recipient, reason }) => `${recipient.name} ${reason}`))
          return route
        },
        { stage: Stage.LATE },
      ),
    )
    const bus = await startBus({ plugins: [last] })
    const publisher = await connect(bus, { name: 'p', tags: ['aws'] })
    await connect(bus, { name: 'azure-app', tags: ['azure'] })
    await connect(bus, { name: 'aws-app', tags: ['aws'] })
    expect(await publisher.publish(sk('m', { targetedTags: ['aws'] }))).to.include({ recipients: 1 })
    expect(reasons).to.deep.equal(['p sender', 'azure-app tags'])
  })

  it('may add whom an earlier tap has left out', async () => {
    const adding = plugin('archive', ({ hooks, recipients }) =>
      hooks.route.tap(
        (route) =>
          recipients()
            .filter(({ name }) => name === 'archive')
            .reduce((all, one) => all.with(one), route),
        { stage: Stage.LATE },
      ),
    )
    const bus = await startBus({ plugins: [adding] })
    const archive = await connect(bus, { name: 'archive', tags: ['archive'] })
    const publisher = await connect(bus)
    expect(await publisher.publish(sk('m', { targetedTags: ['aws'] }))).to.include({ recipients: 1 })
    expect((await nextMessage(archive)).body).to.include({ messageId: 'm' })
  })

  it('asks taps by stage', async () => {
    const seen: string[] = []
    const at = (name: string, stage: number) =>
      plugin(name, ({ hooks }) =>
        hooks.route.tap(
          (route) => {
            seen.push(name)
            return route
          },
          { stage },
        ),
      )
    const bus = await startBus({
      plugins: [at('late', Stage.LATE), at('default', Stage.DEFAULT), at('early', Stage.LIMITS)],
    })
    await publishElsewhere(bus)
    expect(seen).to.deep.equal(['early', 'default', 'late'])
  })

  it('shows taps a message that is whole and that they cannot change', async () => {
    let seen: Message | undefined
    const watching = plugin('watching', ({ hooks }) =>
      hooks.route.tap((route, message) => {
        seen = message
        return route
      }),
    )
    const bus = await startBus({ plugins: [watching] })
    await publishElsewhere(bus, 'm')
    expect(seen).to.deep.include({ messageId: 'm', originInstanceId: bus.id, orderingKey: 'k', path: [] })
    expect(seen).to.satisfy(Object.isFrozen)
  })

  it('turns a tap that throws into INTERNAL for that message alone: it is neither stored nor forwarded', async () => {
    const bus = await startBus({
      plugins: [
        plugin('broken', ({ hooks }) =>
          hooks.route.tap((route, message) => {
            failsOn('bad')(message)
            return route
          }),
        ),
      ],
    })
    const [publisher, receiver] = [await connect(bus), await connect(bus)]
    expect(await publisher.publish(sk('failing', { key: 'bad' }))).to.include({ code: 'INTERNAL', retryable: true })
    expect(await publisher.publish(sk('after'))).to.include({ type: 'ACK', status: 'stored' })
    expect((await nextMessage(receiver)).body).to.include({ messageId: 'after' })
    expect(failuresIn(bus)).to.deep.equal(['broken route'])
  })
})
