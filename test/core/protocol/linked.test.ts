import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { build } from 'esbuild'
import fc from 'fast-check'
import type { FrameEvents, Lane } from '../../../core/protocol/codec.ts'
import { FULL_FRAME_BYTES, MAX_LINES, PLAIN_WINDOW } from '../../../core/protocol/limits.ts'
import { LinkedCodec } from '../../../core/protocol/linked.ts'
import { Sent } from '../../../core/protocol/sent.ts'

/** One end, with what it has sent and what it was told. Its turn ends when the test says so. */
function end(name: string | undefined = 'aws-1', tellsMore = true) {
  const frames: { readonly frame: string; readonly lane: Lane }[] = []
  const tasks: (() => void)[] = []
  const codec = new LinkedCodec({
    name,
    tellsMore,
    send: (frame, lane) => void frames.push({ frame, lane }),
    defer: (task) => void tasks.push(task),
    byteLength: (text) => Buffer.byteLength(text),
  })
  const endTurn = () => {
    for (const task of tasks.splice(0)) task()
    return frames.splice(0)
  }
  return { codec, endTurn, told: [] as unknown[] }
}

type End = ReturnType<typeof end>

/** Hands a frame over, and notes what it said. */
function hand(to: End, frame: string): unknown[] {
  const told: unknown[] = []
  const note =
    (what: keyof FrameEvents) =>
    (...said: unknown[]) =>
      void told.push([what, ...said])
  to.codec.read(frame, Buffer.byteLength(frame), {
    message: (text, bytes, hop) => void told.push(['message', hop?.number, hop?.path.join(), text, bytes]),
    acknowledged: (id, { recipients, duplicate }) => void told.push(['acknowledged', id, recipients, duplicate]),
    refused: (id, { code, retryable, retryAfterMs, reason }) =>
      void told.push(['refused', id, code, retryable, retryAfterMs, reason]),
    hello: note('hello'),
    pulse: note('pulse'),
    granted: note('granted'),
    fault: ({ code }) => void told.push(['fault', code]),
  })
  return told
}

const message = (messageId: string, text = `{"messageId":"${messageId}"}`, path: readonly string[] = ['shop-1']) => ({
  messageId,
  path,
  text,
})
const durable = (number: number, recipients = 1, status: 'stored' | 'duplicate' = 'stored') => ({
  ...{ messageId: `m-${number}`, clusterGroupId: undefined, number, recipients, status },
})
const BUSY = { code: 'BUSY', reason: 'wait', retryable: true, retryAfterMs: 100 }

describe('a linked connection', () => {
  it('sends the messages of one turn in one frame, numbered, with the way they came beside them', () => {
    const { codec, endTurn } = end()
    codec.deliver(message('m-1'))
    codec.deliver(message('m-2', '{"größe":9007199254740993}', []))
    codec.pass(message('ask-1'), 'bulk')
    codec.say('{"type":"SYNC"}', 'bulk')
    expect(endTurn()).to.deep.equal([
      {
        lane: 'bulk',
        frame:
          'M1 shop-1,aws-1 {"messageId":"m-1"}\nM2 aws-1 {"größe":9007199254740993}\n' +
          'M0 shop-1,aws-1 {"messageId":"ask-1"}\nM0  {"type":"SYNC"}',
      },
    ])
    expect(endTurn()).to.deep.equal([])
  })

  it('sends answers and announcements ahead of messages, answers alike in ranges', () => {
    const { codec, endTurn } = end()
    codec.deliver(message('m-1'))
    for (const number of [1, 2, 3]) codec.acknowledge(durable(number))
    codec.acknowledge(durable(4, 2))
    codec.acknowledge(durable(5, 2))
    codec.acknowledge(durable(6, 2, 'duplicate'))
    codec.acknowledge({ ...durable(0, 0), messageId: 'sub-1' })
    for (const number of [7, 8]) codec.refuse({ messageId: undefined, number }, BUSY)
    codec.refuse({ messageId: 'ask-1' }, { ...BUSY, code: 'TIMEOUT', retryAfterMs: undefined })
    codec.refuse({ messageId: undefined }, { code: 'INVALID_MESSAGE', reason: 'no', retryable: false })
    codec.pulse(1_700, 2, { messages: 10, bytes: 20 })
    const [control, bulk] = endTurn()
    expect(control?.lane).to.equal('control')
    expect(control?.frame.split('\n').sort()).to.deep.equal([
      'A 1-3/1,4-5/2,6/2d',
      'A =sub-1/0',
      'C 10 20',
      'N * INVALID_MESSAGE - no',
      'N 7-8 BUSY +100 wait',
      'N =ask-1 TIMEOUT + wait',
      'P 1700 2',
    ])
    expect(bulk).to.deep.equal({ lane: 'bulk', frame: 'M1 shop-1,aws-1 {"messageId":"m-1"}' })
  })

  it('tells an instance no more of messages than that they are durable', () => {
    const { codec, endTurn } = end('aws-1', false)
    for (const number of [1, 2, 3]) codec.acknowledge(durable(number, number, number === 3 ? 'duplicate' : 'stored'))
    expect(endTurn()).to.deep.equal([{ lane: 'control', frame: 'A 1-3' }])
  })

  it('tells which messages were acknowledged or refused, each once, and overlooks numbers that it never sent', () => {
    const subject = end()
    for (const id of ['a', 'b', 'c', 'd', 'e']) subject.codec.deliver(message(id))
    expect(
      hand(subject, 'A 2-3/4,1/0d\nA 1-3\nN 4 BUSY +100 wait\nN 4,99-100,* FORBIDDEN - no\nA 0-1\nA 5-999999999999999'),
    ).to.deep.equal([
      ['acknowledged', 'b', 4, false],
      ['acknowledged', 'c', 4, false],
      ['acknowledged', 'a', 0, true],
      ['refused', 'd', 'BUSY', true, 100, 'wait'],
      ['refused', undefined, 'FORBIDDEN', false, undefined, 'no'],
      ['fault', 'INVALID_MESSAGE'],
      ['acknowledged', 'e', undefined, undefined],
    ])
  })

  it('knows a message that was sent twice by either number', () => {
    const subject = end()
    for (const id of ['a', 'b', 'a']) subject.codec.deliver(message(id))
    expect(hand(subject, 'A 3')).to.deep.equal([['acknowledged', 'a', undefined, undefined]])
    expect(hand(subject, 'A 1')).to.deep.equal([['acknowledged', 'a', undefined, undefined]])
  })

  it('goes by the window that it was granted last', () => {
    const subject = end()
    expect(subject.codec.window).to.deep.equal(PLAIN_WINDOW)
    expect(hand(subject, 'C 5 6\nC 0 0')).to.deep.equal([['granted'], ['granted']])
    expect(subject.codec.window).to.include({ messages: 0, bytes: 0 })
  })

  it('hands on HELLO and pulses, and reads over what it need not know', () => {
    const hello = { instanceId: 'gcp-1', tags: { gcp: 0 } }
    const there = end()
    there.codec.introduce(hello)
    expect(hand(end(), `${there.endTurn()[0]?.frame}\nx unknown\n\nP 17 2`)).to.deep.equal([
      ['hello', hello],
      ['pulse', 17, 2],
    ])
  })

  it('goes on behind a line that cannot be read', () => {
    expect(hand(end(), 'X 1\nM1 {\nM1  {}')).to.deep.equal([
      ['fault', 'INVALID_MESSAGE'],
      ['fault', 'INVALID_MESSAGE'],
      ['message', 1, '', '{}', 2],
    ])
    expect(hand(end(), '\n'.repeat(MAX_LINES + 1))).to.deep.equal([['fault', 'TOO_LARGE']])
  })

  it('carries any texts to the byte, in their order, in frames that are not too full', () => {
    const text = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 40 }),
      fc.string({ unit: fc.constantFrom('\n', '{', ' ', '€') }),
      fc.integer({ min: 1, max: 400_000 }).map((length) => 'ü'.repeat(length)),
    )
    const [here, there] = [end(), end('gcp-1')]
    fc.assert(
      fc.property(fc.array(text, { maxLength: 20 }), (texts) => {
        for (const one of texts) here.codec.deliver(message('m', one))
        const frames = here.endTurn().map(({ frame }) => frame)
        const inFrames = frames.map((frame) => hand(there, frame))
        inFrames.forEach((told, at) => {
          if (told.length > 1) expect(Buffer.byteLength(frames[at] as string)).to.be.at.most(FULL_FRAME_BYTES)
        })
        const told = inFrames.flat() as [string, number, string, string, number][]
        expect(told.map(([, , , text]) => text)).to.deep.equal(texts)
        for (const [kind, , path, text, bytes] of told) {
          expect([kind, path, bytes]).to.deep.equal(['message', 'shop-1,aws-1', Buffer.byteLength(text)])
        }
      }),
      { numRuns: 50 },
    )
  })

  it('takes for acknowledged what the other end has had, and nothing else, however frames are lost, doubled and overtaken', () => {
    /** Which of the frames that were sent arrive, in which order: the index of one that there is not is a loss. */
    const fate = fc.array(fc.nat(12), { maxLength: 20 })
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 10 }), fate, fate, (turns, way, back) => {
        const [here, there] = [end(), end('gcp-1', false)]
        let count = 0
        const frames = turns.flatMap((messages) => {
          for (let at = 0; at < messages; at++) here.codec.deliver(message(`m-${count++}`, `{"n":${count - 1}}`))
          return here.endTurn()
        })
        const had = new Set<string>()
        const answers = way.flatMap((at) => {
          for (const [kind, number, , text] of hand(there, frames[at]?.frame ?? '') as [
            string,
            number,
            string,
            string,
          ][]) {
            if (kind !== 'message') continue
            had.add(`m-${(JSON.parse(text) as { n: number }).n}`)
            there.codec.acknowledge(durable(number))
          }
          return there.endTurn()
        })
        const acknowledged = back
          .flatMap((at) => hand(here, answers[at]?.frame ?? '') as [string, string][])
          .map(([, id]) => id)
        expect(new Set(acknowledged).size).to.equal(acknowledged.length)
        expect([...had]).to.include.members(acknowledged)
      }),
    )
  })

  it('puts so many lines into a frame at most', () => {
    const { codec, endTurn } = end()
    for (let count = 0; count <= MAX_LINES; count++) codec.say('', 'bulk')
    expect(endTurn().map(({ frame }) => frame.split('\n').length)).to.deep.equal([MAX_LINES, 1])
  })

  it('sends at once what waits, when it is told to', () => {
    const { codec, endTurn } = end()
    codec.acknowledge(durable(1))
    codec.deliver(message('m'))
    expect(codec.waitingBytes).to.be.greaterThan(0)
    codec.flush()
    expect(codec.waitingBytes).to.equal(0)
    expect(endTurn()).to.have.length(2)
  })
})

describe('the codec of the linked level', () => {
  it('runs in a browser: it needs nothing of Node', async () => {
    const entry = fileURLToPath(new URL('../../../core/protocol/linked.ts', import.meta.url))
    const { outputFiles } = await build({
      entryPoints: [entry],
      bundle: true,
      platform: 'browser',
      format: 'esm',
      write: false,
    })
    expect(outputFiles[0]?.text)
      .to.include('LinkedCodec')
      .and.not.match(/\b(Buffer|process|require|node:)\b/)
  })
})

describe('the numbers of what was sent', () => {
  it('fall out, the oldest first, beyond what is remembered', () => {
    const sent = new Sent()
    for (let number = 1; number <= 16_385; number++) expect(sent.add(`m-${number}`)).to.equal(number)
    expect(sent.take({ from: 1, to: 2 })).to.deep.equal(['m-2'])
    expect(sent.take({ from: 1, to: 1e14 })).to.have.length(16_383)
  })
})
