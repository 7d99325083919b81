import { type Hello, helloSchema } from '../core/protocol/hello.ts'
import { printAck, printCredit, printHello, printMessage, printNack, printPulse } from '../core/protocol/print-line.ts'

type Json = Readonly<Record<string, unknown>>

const COUNT = '(?:0|[1-9][0-9]{0,14})'
const ID = '[A-Za-z0-9._:-]{1,128}'
const PATH = `(?:${ID}(?:,${ID}){0,15})?`
const TARGET = `(?:${COUNT}(?:-${COUNT})?|=${ID})`
const ACKED = `${TARGET}(?:/${COUNT}d?)?`
const REFUSED = `(?:${TARGET}|\\*)`

const HELLO: Hello = {
  instanceId: 'aws-1',
  role: 'instance',
  tags: { aws: 0, gcp: 1 },
  epoch: 'k3',
  types: { SK: '1.0.0 0f3c5a2b9d417e68' },
  capabilities: ['sync/1'],
}

/** The lines of the linked level, as patterns; the examples are printed by the code that prints them on the wire. */
export function lineMessages(): Json {
  const message = '{"type":"SK","messageId":"p-1","key":"order.1","value":9007199254740993}'
  return {
    message: line('A message: number, path, text.', `^M${COUNT} ${PATH} [^\\n]*$`, [
      printMessage(17, ['shop-1', 'aws-1'], message),
      printMessage(0, [], '{"type":"GK","messageId":"ask-1","key":"order.1"}'),
    ]),
    whole: line('A message whose text bears a LF: the last line of its frame.', `^W${COUNT} ${PATH} [\\s\\S]*$`, [
      printMessage(18, ['aws-1'], '{\n  "type": "SK", "key": "order.2", "value": 2\n}'),
    ]),
    ack: line('These are durable here.', `^A ${ACKED}(?:,${ACKED}){0,1023}$`, [
      ...printAck([{ target: { from: 1, to: 60 } }, { target: { from: 62, to: 62 } }]),
      ...printAck([
        { target: { from: 1, to: 60 }, recipients: 2 },
        { target: { id: 'sub-1' }, recipients: 0 },
      ]),
    ]),
    nack: line(
      'These are not kept here.',
      `^N ${REFUSED}(?:,${REFUSED}){0,1023} [A-Z_]{1,64} (?:-|\\+${COUNT}?) [^\\n]{0,4096}$`,
      [
        ...printNack([{ from: 63, to: 64 }], {
          code: 'BUSY',
          reason: 'too much at once',
          retryable: true,
          retryAfterMs: 1000,
        }),
        ...printNack(['*'], { code: 'INVALID_MESSAGE', reason: 'no such kind of line', retryable: false }),
      ],
    ),
    credit: line('So many messages and bytes may be under way.', `^C ${COUNT} ${COUNT}$`, [
      printCredit(1024, 1_048_576),
    ]),
    pulse: line('What time it is here, and how many agree.', `^P ${COUNT} ${COUNT}$`, [
      printPulse(1_767_225_600_000, 2),
    ]),
    hello: {
      ...line('What one end is, or what of it has changed: H and a JSON object.', '^H \\{.*\\}$', [printHello(HELLO)]),
      'x-object': helloSchema,
    },
    optional: line('A kind of line that is not known may be read over.', '^[a-z][^\\n]*$', ['x future']),
  }
}

function line(summary: string, pattern: string, examples: readonly string[]): Json {
  const payload = { type: 'string', pattern }
  return { summary, contentType: 'text/plain', payload, examples: examples.map((payload) => ({ payload })) }
}
