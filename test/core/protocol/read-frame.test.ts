import { expect } from 'chai'
import fc from 'fast-check'
import { ProtocolFault } from '../../../core/index.ts'
import { MAX_LINES, MAX_TARGETS } from '../../../core/protocol/limits.ts'
import type { AckLine, Line, Target } from '../../../core/protocol/line.ts'
import {
  inRanges,
  printAck,
  printCredit,
  printHello,
  printMessage,
  printNack,
  printPulse,
} from '../../../core/protocol/print-line.ts'
import { readLine, splitFrame } from '../../../core/protocol/read-frame.ts'
import { failureOf } from '../support.ts'

const read = (frame: string): readonly (Line | undefined)[] => splitFrame(frame).map(readLine)
const faultOf = (line: string) => failureOf(ProtocolFault, () => readLine(line))

const id = fc.stringMatching(/^[A-Za-z0-9._:-]{1,128}$/)
const count = fc.integer({ min: 0, max: 999_999_999_999_999 })
const range = fc
  .tuple(count, count)
  .map(([one, other]) => ({ from: Math.min(one, other) + 1, to: Math.max(one, other) + 1 }))
const target: fc.Arbitrary<Target> = fc.oneof(
  range.filter(({ to }) => to < 1e15),
  fc.record({ id }),
)
const text = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: fc.constantFrom('\n', '{', '"', ' ', 'M', 'é') }),
)

const message = fc.record({ number: count, path: fc.array(id, { maxLength: 16 }), text })
const acked = fc.oneof(fc.record({ target }), fc.record({ target, recipients: count, duplicate: fc.boolean() }))
const refused = fc.oneof(
  fc.record({ retryable: fc.constant(false) }),
  fc.record({ retryable: fc.constant(true) }),
  fc.record({ retryable: fc.constant(true), retryAfterMs: count }),
)

describe('a line of the linked level', () => {
  it('of a message says what was printed: any number, path and text, line feeds included', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 8 }), message, (some, last) => {
        const lines = [...some.filter(({ text }) => !text.includes('\n')), last]
        const frame = lines.map(({ number, path, text }) => printMessage(number, path, text)).join('\n')
        expect(read(frame)).to.deep.equal(lines.map((line) => ({ kind: 'message', ...line })))
      }),
    )
  })

  it('of an ACK says what was printed', () => {
    fc.assert(
      fc.property(fc.array(acked, { minLength: 1, maxLength: 20 }), (all) => {
        expect(read(printAck(all).join('\n'))).to.deep.equal([{ kind: 'ack', acked: all }])
      }),
    )
  })

  it('of a NACK says what was printed, its reason in one line', () => {
    const targets = fc.array(fc.oneof(target, fc.constant('*' as const)), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(targets, refused, text, (targets, retry, reason) => {
        const lines = printNack(targets, { code: 'BUSY', reason, ...retry })
        const expected = { kind: 'nack', targets, code: 'BUSY', reason: reason.replaceAll('\n', ' '), ...retry }
        expect(read(lines.join('\n'))).to.deep.equal([expected])
      }),
    )
  })

  it('of credit, a pulse and HELLO says what was printed', () => {
    const hello = {
      ...({ instanceId: 'aws-1', role: 'instance', clusterGroupId: 'pay', epoch: 'k3' } as const),
      ...{ tags: { aws: 0, 'größe\n': 16 }, types: { SK: '1.0.0 0f3c' }, capabilities: ['sync/1'], token: 't' },
    }
    expect(readLine(printHello(hello))).to.deep.equal({ kind: 'hello', hello })
    fc.assert(
      fc.property(count, count, (one, other) => {
        expect(readLine(printCredit(one, other))).to.deep.equal({ kind: 'credit', messages: one, bytes: other })
        expect(readLine(printPulse(one, other))).to.deep.equal({ kind: 'pulse', time: one, agrees: other })
      }),
    )
  })

  it('answers so many in one line at most, and takes another line for more', () => {
    const all = Array.from({ length: MAX_TARGETS + 1 }, (_, at) => ({ target: { from: 2 * at + 1, to: 2 * at + 1 } }))
    const lines = printAck(all)
    expect(lines).to.have.length(2)
    expect(lines.flatMap((line) => (readLine(line) as AckLine).acked)).to.deep.equal(all)
  })

  it('is read over when it is marked as optional, or empty', () => {
    expect(read('\n\nz\nfuture things\nC 1 2\n')).to.deep.equal([
      ...[undefined, undefined, undefined, undefined],
      { kind: 'credit', messages: 1, bytes: 2 },
    ])
  })

  for (const line of [
    ...['M', 'M1', 'M1 {}', 'M01  {}', 'M-1  {}', 'M1 ä {}', 'M1 a,,b {}', `M1 ${Array(17).fill('a')} {}`],
    ...['W1', 'A', 'A ', 'A 0', 'A 2-1', 'A 1-', 'A 1,', 'A 1/', 'A 1/d', 'A =', 'A =ä', 'A *', 'A 1/-1', 'A 1 2'],
    ...['A 1000000000000000', `A ${Array(MAX_TARGETS + 1).fill('1')}`],
    ...['N 1', 'N 1 BUSY', 'N 1 BUSY +', 'N 1 busy - no', 'N 1 BUSY +x no', `N 1 BUSY - ${'r'.repeat(4_097)}`],
    ...['C 1', 'C 1 ', 'C -1 1', 'C 1 1 1', 'P now 0', 'P 1', 'H', 'H ', 'H []', 'H {', 'H 7', 'H {"tags":[]}'],
    ...['H {"tags":{"a":17}}', 'H {"tags":{"":1}}', 'H {"tags":{"a":-1}}', 'H {"instanceId":"ä"}', 'H {"role":"x"}'],
    ...['H {"types":{"SK":7}}', 'H {"capabilities":"x"}', 'H {"epoch":""}', 'H {"role":"client","role":"instance"}'],
    ...[`H {"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 'X 1', 'é 1', ' 1', '{"type":"SK"}', '1'],
  ]) {
    it(`is refused as ${line.slice(0, 40)}`, async () => {
      const { code, message } = await faultOf(line)
      expect(code).to.be.oneOf(['INVALID_MESSAGE', 'INVALID_JSON', 'TOO_DEEP'])
      expect(message).not.to.include('ä')
    })
  }

  it('is one of 4,096 of its frame at most', async () => {
    expect(splitFrame('P 1 1\n'.repeat(MAX_LINES))).to.have.length(MAX_LINES)
    const fault = await failureOf(ProtocolFault, () => splitFrame('\n'.repeat(MAX_LINES + 1)))
    expect(fault.code).to.equal('TOO_LARGE')
  })

  it('ends in nothing but a ProtocolFault, whatever it is', () => {
    const pieces = fc.constantFrom(
      'M1 a {}',
      'W',
      'A 1-9',
      '=',
      '/',
      'N * X - ',
      'H {"tags":',
      'C ',
      '\n',
      ' ',
      ',',
      '{',
      '}',
    )
    const anything = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes).toString()),
      fc.array(fc.oneof(pieces, fc.string({ maxLength: 3 }))).map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(anything, (frame) => {
        for (const line of splitFrame(frame)) {
          try {
            readLine(line)
          } catch (error) {
            expect(error).to.be.instanceOf(ProtocolFault)
          }
        }
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('answers', () => {
  it('become ranges where neighbours are answered alike', () => {
    const answers = [1, 2, 3, 5, 6, 7, 8, 2].map((number) => ({ number, answer: number === 7 ? 'b' : 'a' }))
    const ranges = inRanges(answers, (one, other) => one === other)
    expect(ranges.map(({ target: { from, to }, answer }) => `${from}-${to}${answer}`)).to.deep.equal([
      ...['1-3a', '5-6a', '7-7b', '8-8a', '2-2a'],
    ])
  })
})
