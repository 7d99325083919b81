import { expect } from 'chai'
import { type RunningBus, startBus } from '../support/bus.ts'
import { type Client, connect, eventually, type Frame, nextMessage, noMessage } from '../support/client.ts'

const sk = (messageId: string) => ({ type: 'SK', messageId, key: 'k', value: 1 })

/** Three instances in a line, a to c, each dialling the one before it. */
async function line(): Promise<readonly [RunningBus, RunningBus, RunningBus]> {
  const a = await startBus({ settings: { instanceId: 'a' } })
  const b = await startBus({ settings: { instanceId: 'b', peers: [{ url: a.url }] } })
  const c = await startBus({ settings: { instanceId: 'c', peers: [{ url: b.url }] } })
  const isLinked = ({ bus }: RunningBus, name: string) =>
    bus.recipients().some((one) => one.name === name && one.connected)
  await eventually(() => isLinked(a, 'b') && isLinked(b, 'a') && isLinked(b, 'c') && isLinked(c, 'b'))
  return [a, b, c]
}

/** A frame's text without the hop fields that stand in front of it. */
const ownText = ({ text }: Frame) => text.replace(/^\{"sourceInstanceId":"[^"]*","messagePath":\[[^\]]*\],/, '{')

describe('a message over three plain hops', () => {
  const values = [
    '9007199254740993',
    '1.10',
    '-0.0',
    '1E+2',
    '"\\u0041\\/\\ud83d\\ude00"',
    '[ 1 , 2.50 ,{"a" : 9007199254740993}]',
    '{"__proto__":1,"a":1,"a":2}',
    '"zażółć 💳"',
  ]

  it('keeps its bytes, and is told with the path that it took', async () => {
    const [a, , c] = await line()
    const publisher = await connect(a, { name: 'pi' })
    const receiver = await connect(c)
    for (const [at, value] of values.entries()) {
      const own = `"type":"SK", "messageId":"m-${at}","key":"k" ,"value":${value},"unknown":1.0`
      publisher.send(`{${own}}`)
      const frame = await nextMessage(receiver)
      expect(frame.body).to.deep.include({ sourceInstanceId: 'c', messagePath: ['pi', 'a', 'b', 'c'] })
      const place = `"originSequence":"[^"]+\\.${at + 1}"`
      const added = `"originInstanceId":"a",${place},"version":"[0-9-]+a","orderingKey":"k"`
      const expected = new RegExp(`^\\{${escaped(own)},${added}\\}$`)
      expect(ownText(frame)).to.match(expected)
    }
  })

  it('is the same text at every hop', async () => {
    const [a, b, c] = await line()
    const receivers = [await connect(a), await connect(b), await connect(c)] as const
    const publisher = await connect(a)
    for (const [at, value] of values.entries()) {
      publisher.send(`{"messagePath":["x"],"type":"SK","messageId":"m-${at}","key":"k","value":${value}}`)
      const texts = await Promise.all(receivers.map(async (receiver) => ownText(await nextMessage(receiver))))
      expect(new Set(texts).size).to.equal(1)
      expect(texts[0]).to.contain(`"value":${value},`)
    }
  })

  it('comes once to each, from whichever end, and never back', async () => {
    const [a, b, c] = await line()
    const clients = [await connect(a), await connect(b), await connect(c)] as readonly [Client, Client, Client]
    for (const [at, publisher] of clients.entries()) await publisher.publish(sk(`from-${at}`))
    for (const [at, client] of clients.entries()) {
      const others = [0, 1, 2].filter((other) => other !== at).map((other) => `from-${other}`)
      const came = [await nextMessage(client), await nextMessage(client)].map(({ body }) => body.messageId)
      expect(came.sort()).to.deep.equal(others)
      await noMessage(client)
    }
  })
})

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
