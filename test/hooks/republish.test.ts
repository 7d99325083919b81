import { expect } from 'chai'
import { type DueDelivery, type Plugin, Stage } from '../../core/index.ts'
import { startBus } from '../support/bus.ts'
import { type Client, connect, eventually, nextMessage, noMessage } from '../support/client.ts'
import { failuresIn, plugin, publishElsewhere, sk } from './support.ts'

const RETRY_DELAY_MS = 40

/** A bus with an application that is sent `m` and acknowledges nothing by itself. */
async function neglected(plugins: readonly Plugin[] = [], without: readonly string[] = []) {
  const bus = await startBus({ plugins, without, settings: { retryDelayMs: RETRY_DELAY_MS } })
  const application = await connect(bus, { name: 'app', acknowledges: false })
  const publisher = await connect(bus)
  await publisher.publish(sk('m'))
  const first = await nextMessage(application)
  return { bus, application, first }
}

const watching = (seen: DueDelivery[]) =>
  plugin('watching', ({ hooks }) => hooks.republish.tapPromise(async (due) => void seen.push(...due)))

const copies = ({ frames }: Client) => frames.filter(({ body }) => body.messageId === 'm').length

describe('hook republish', () => {
  it('is given what was sent and not acknowledged in time, why, and how often it was sent', async () => {
    const seen: DueDelivery[] = []
    await neglected([watching(seen)])
    await eventually(() => seen.length >= 1)
    expect(
      seen.map(({ recipient, delivery, cause, attempts }) => [
        recipient.name,
        delivery.message.messageId,
        cause,
        attempts,
      ]),
    ).to.deep.equal([['app', 'm', 'silence', { sends: 1, nacks: 0, timeouts: 0, disconnects: 0 }]])
  })

  it('lets a message go again to the byte, and not once it is acknowledged', async () => {
    const { application, first } = await neglected()
    const again = await nextMessage(application)
    expect(again.text).to.equal(first.text)
    application.send({ type: 'ACK', messageId: 'm' })
    await application.publish(sk('fence', { targetedTags: ['nobody'] }))
    const sent = copies(application)
    await new Promise((resolve) => setTimeout(resolve, 3 * RETRY_DELAY_MS))
    expect(copies(application)).to.equal(sent)
  })

  it('is not asked about what was acknowledged, nor about whoever is away', async () => {
    const seen: DueDelivery[] = []
    const bus = await startBus({ plugins: [watching(seen)], settings: { retryDelayMs: RETRY_DELAY_MS } })
    const diligent = await connect(bus, { name: 'diligent' })
    const away = await connect(bus, { name: 'away' })
    await away.close()
    await publishElsewhere(bus)
    await nextMessage(diligent)
    await noMessage(diligent, 3 * RETRY_DELAY_MS)
    expect(seen).to.deep.equal([])
  })

  it('is no more than asked: when no tap decides on what met with silence, only a new link brings it again', async () => {
    const { bus, application } = await neglected([], ['republish'])
    expect((await application.closed).code).to.equal(1013)
    expect(copies(application)).to.equal(1)
    expect((await nextMessage(await connect(bus, { name: 'app' }))).body).to.include({ messageId: 'm' })
  })

  it('gives each tap its turn, by stage', async () => {
    const seen: string[] = []
    const at = (name: string, stage: number) =>
      plugin(name, ({ hooks }) => hooks.republish.tap(() => void seen.push(name), { stage }))
    await neglected([at('late', Stage.LATE), at('early', Stage.LIMITS), at('default', Stage.DEFAULT)])
    await eventually(() => seen.length >= 3)
    expect(seen.slice(0, 3)).to.deep.equal(['early', 'default', 'late'])
  })

  it('goes on when a tap throws: the message is repeated, and others are served', async () => {
    const broken = plugin('broken', ({ hooks }) =>
      hooks.republish.tap(
        () => {
          throw new Error('out of order')
        },
        { stage: Stage.LIMITS },
      ),
    )
    const { bus, application } = await neglected([broken])
    await nextMessage(application)
    expect(failuresIn(bus)).to.include('broken republish')
    expect(await publishElsewhere(bus)).to.include({ type: 'ACK' })
  })
})
