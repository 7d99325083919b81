import { once } from 'node:events'
import { expect } from 'chai'
import fc from 'fast-check'
import { afterEach } from 'mocha'
import { WebSocket } from 'ws'
import { startBus } from '../support/bus.ts'
import { connect, eventually } from '../support/client.ts'
import { steppedTime } from '../support/stepped-time.ts'

const open = new Set<WebSocket>()

afterEach(() => {
  for (const socket of open) socket.terminate()
  open.clear()
})

/** Somebody who speaks the linked level by hand. What comes is kept line by line. */
class Speaker {
  readonly socket: WebSocket
  readonly frames: string[] = []
  readonly closed: Promise<{ code: number; reason: string }>
  #read = 0

  private constructor(socket: WebSocket) {
    this.socket = socket
    socket.on('message', (data) => this.frames.push(String(data)))
    socket.on('error', () => {})
    this.closed = new Promise((resolve) =>
      socket.on('close', (code, reason) => resolve({ code, reason: String(reason) })),
    )
  }

  static async to({ url }: { readonly url: string }, query = ''): Promise<Speaker> {
    const socket = new WebSocket(`${url}/${query}`, ['slipstream.v2', 'slipstream.v1'])
    open.add(socket)
    const speaker = new Speaker(socket)
    await once(socket, 'open')
    return speaker
  }

  say(...lines: string[]): void {
    this.socket.send(lines.join('\n'))
  }

  get lines(): readonly string[] {
    return this.frames.flatMap((frame) => frame.split('\n'))
  }

  /** The next line that begins like that. */
  async next(start: string): Promise<string> {
    let place = -1
    await eventually(() => {
      place = this.lines.findIndex((line, at) => at >= this.#read && line.startsWith(start))
      return place >= 0
    })
    this.#read = place + 1
    return this.lines[place] as string
  }
}

const sk = (messageId: string, value: unknown = 1) => JSON.stringify({ type: 'SK', messageId, key: messageId, value })

describe('whoever speaks the linked level with an instance', () => {
  it('is told who that is, what it knows, what time it is there, and how much may be under way', async () => {
    const bus = await startBus({ settings: { instanceId: 'aws-1', tags: ['aws'], clusterGroupId: 'pay' } })
    const speaker = await Speaker.to(bus)
    const hello = JSON.parse((await speaker.next('H ')).slice(2))
    expect(hello).to.deep.include({ instanceId: 'aws-1', role: 'instance', clusterGroupId: 'pay', tags: { aws: 0 } })
    expect(hello.types.SK).to.match(/^- [0-9a-f]{16}$/)
    expect(speaker.lines[0]).to.match(/^H /)
    expect(await speaker.next('P ')).to.match(/^P \d{13} 0$/)
    expect(await speaker.next('C ')).to.equal('C 1024 1048576')
  })

  it('is acknowledged by numbers, all of a frame together, with what became of each', async () => {
    const bus = await startBus()
    const speaker = await Speaker.to(bus)
    speaker.say(...['a', 'b', 'c', 'd'].map((id, at) => `M${at + 1}  ${sk(id)}`))
    expect(await speaker.next('A ')).to.equal('A 1-4/0')
    await connect(bus, { name: 'reader' })
    speaker.say(`M5  ${sk('e')}`, `M6  ${sk('a')}`, `M7 made-up {"type":"SK","key":"f","value":1}`)
    await eventually(() => /A .*7/.test(speaker.lines.join()))
    expect(
      speaker.lines
        .filter((line) => line.startsWith('A '))
        .slice(1)
        .join()
        .replaceAll('A ', '')
        .split(',')
        .sort(),
    ).to.deep.equal(['5/1', '6/0d', '7/1'])
  })

  it('is refused by numbers, and where a line has none, by what is known of it', async () => {
    const bus = await startBus()
    const speaker = await Speaker.to(bus)
    speaker.say(
      `M1  ${sk('a')}`,
      'M2  {"type":"SK","key":7,"value":1}',
      'M3  {',
      'M4  {"type":"nobodys"}',
      'x no',
      'X no',
      'M5',
    )
    speaker.say('M0  {"type":"GK","messageId":"ask-1","key":"k"}', 'M0  {"type":"SK"}')
    await eventually(() => speaker.lines.filter((line) => line.startsWith('N ')).length === 7)
    expect(
      speaker.lines
        .filter((line) => /^[AN] /.test(line))
        .map((line) => line.replace(/( [-+]).*/, '$1'))
        .sort(),
    ).to.deep.equal([
      'A 1/0',
      'N * INVALID_MESSAGE -',
      'N * INVALID_MESSAGE -',
      'N * INVALID_MESSAGE -',
      'N 2 INVALID_MESSAGE -',
      'N 3 INVALID_JSON -',
      'N 4 UNKNOWN_TYPE -',
      'N =ask-1 NO_RESPONDERS +',
    ])
  })

  it('is sent what is due in numbers, and its ranges close what they name', async () => {
    const bus = await startBus({ settings: { instanceId: 'aws-1', retryDelayMs: 60_000 } })
    const speaker = await Speaker.to(bus, '?instanceId=shop-1')
    const publisher = await connect(bus, { name: 'p' })
    for (const id of ['a', 'b', 'c']) await publisher.publish(JSON.parse(sk(id)))
    expect(await speaker.next('M3 ')).to.match(/^M3 p,aws-1 \{"type":"SK","messageId":"c"/)
    const shop = () => bus.bus.recipients().find(({ name }) => name === 'shop-1')
    expect(shop()).to.include({ pending: 3, inFlight: 3 })
    speaker.say('A 1-2')
    await eventually(() => shop()?.pending === 1)
    speaker.say('N 3 BUSY +100 later')
    await eventually(() => shop()?.inFlight === 0)
    expect(await speaker.next('M4 ')).to.include('"messageId":"c"')
    speaker.say('A 3-4')
    await eventually(() => shop()?.pending === 0)
  })

  it('is sent live traffic without numbers when it has no name', async () => {
    const bus = await startBus({ settings: { instanceId: 'aws-1' } })
    const speaker = await Speaker.to(bus)
    await (await connect(bus)).publish(JSON.parse(sk('a')))
    expect(await speaker.next('M')).to.match(/^M0 aws-1 \{"type":"SK"/)
  })

  it('is sent a text that bears line feeds as the last of a frame, to the byte', async () => {
    const bus = await startBus({ settings: { instanceId: 'aws-1' } })
    const [speaker, publisher] = [await Speaker.to(bus, '?instanceId=shop-1'), await Speaker.to(bus)]
    const text = '{"type":"SK",\n"messageId":"w",\n\n"key":"k",\n"value":{\n"n":9007199254740993\n}}'
    publisher.say(`M1  ${sk('a')}`, `W2  ${text}`)
    await eventually(() => speaker.lines.some((line) => line.startsWith('W2 aws-1 ')))
    const frame = speaker.frames.find((one) => one.includes('W2 ')) as string
    expect(frame.slice(frame.indexOf('W2 '))).to.include(text.slice(0, -1))
  })

  it('has as much under way as it grants, none if it grants none, and goes on when it grants more', async () => {
    const bus = await startBus({ settings: { retryDelayMs: 60_000 } })
    const speaker = await Speaker.to(bus, '?instanceId=shop-1')
    speaker.say('C 0 0')
    const publisher = await connect(bus)
    const sent = () => speaker.lines.filter((line) => line.startsWith('M')).length
    for (let at = 0; at < 10; at++) await publisher.publish(JSON.parse(sk(`m-${at}`)))
    expect(sent()).to.equal(0)
    speaker.say('C 2 1000000')
    await eventually(() => sent() === 2)
    speaker.say('A 1')
    await eventually(() => sent() === 3)
    speaker.say('C 5 1')
    speaker.say('A 2-3')
    await eventually(() => sent() === 4)
    expect(bus.bus.recipients().find(({ name }) => name === 'shop-1')).to.include({ inFlight: 1, pending: 7 })
    speaker.say('C 100 1000000')
    await eventually(() => sent() === 10)
  })

  it('is told the time and its share anew every 15 s, so that credit which was lost is not lost for ever', async () => {
    const { runtime, pass } = steppedTime()
    const bus = await startBus({ runtime })
    const speaker = await Speaker.to(bus)
    await speaker.next('C ')
    const others = await Promise.all(Array.from({ length: 7 }, () => Speaker.to(bus)))
    await others[6]?.next('C ')
    await pass(15_000)
    expect(await speaker.next('P ')).to.match(/^P 17\d+ 0$/)
    expect(await speaker.next('C ')).to.equal('C 512 1048576')
  })

  it('is sent away when it contradicts in HELLO what it said at the handshake', async () => {
    const bus = await startBus()
    for (const [query, hello] of [
      ['?instanceId=shop-1', { instanceId: 'shop-2' }],
      ['', { instanceId: 'shop-2' }],
      ['?instanceId=shop-1', { role: 'instance' }],
      ['?clusterGroupId=eu', { clusterGroupId: 'us' }],
    ] as const) {
      const speaker = await Speaker.to(bus, query)
      speaker.say(`H ${JSON.stringify(hello)}`)
      expect(await speaker.closed).to.include({ code: 4003 })
      expect(speaker.lines.at(-1)).to.match(/^N \* FORBIDDEN - /)
    }
    const honest = await Speaker.to(bus, '?instanceId=shop-1&clusterGroupId=eu')
    honest.say(
      'H {"instanceId":"shop-1","role":"client","clusterGroupId":"eu","tags":{"a":0},"unknown":[1]}',
      `M1  ${sk('a')}`,
    )
    expect(await honest.next('A ')).to.equal('A 1/0')
  })

  it('does no harm whatever it says', async () => {
    const bus = await startBus()
    const pieces = fc.constantFrom(
      ...[
        'M1  {',
        'M2  {"type":"SK","key":"k","value":1}',
        'W0  ',
        'A 1-999999999999999',
        'A =a,*',
        'N * X - y',
        'N 1 BUSY +0 ',
        'C 0 0',
      ],
      ...[
        'P 0 0',
        'P 999999999999999 9',
        'H {}',
        'H {"tags":{"__proto__":1,"a":0}}',
        'M0  {"type":"ACK","messageId":"a"}',
        'z',
        '\n',
        ' ',
      ],
      ...[
        'M0  {"type":"HELLO","tags":["x"]}',
        'M0 a,b {"type":"SYNC","id":1,"ask":"begin"}',
        'M3 a,b {"type":"SK","originSequence":"e.1"}',
      ],
    )
    const frames = fc.array(fc.oneof(pieces, fc.string({ unit: 'binary', maxLength: 20 })), { maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(
        fc.array(frames, { maxLength: 5 }),
        fc.constantFrom('', '?instanceId=x', '?instanceId=y&role=instance'),
        async (all, query) => {
          const speaker = await Speaker.to(bus, query)
          for (const lines of all) speaker.say(...lines)
          speaker.say(`M9  ${sk('last')}`)
          await Promise.race([
            speaker.closed,
            eventually(() => /^(A|N) .*(9\b|=last)/m.test(speaker.frames.join('\n'))),
          ])
          speaker.socket.terminate()
          await speaker.closed
        },
      ),
      { numRuns: 60 },
    )
    expect(bus.log.filter(({ level, event }) => level === 'critical' || event === 'plugin failed')).to.deep.equal([])
    expect(await (await connect(bus)).publish(JSON.parse(sk('alive')))).to.include({ type: 'ACK', status: 'stored' })
  })
})
