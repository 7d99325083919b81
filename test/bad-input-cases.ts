import type { NackCode } from '../core/index.ts'

/** Stands in every value that is sent: nothing that comes back, and nothing that is logged, may hold it. */
export const CANARY = 'CANARY-4111111111111111'

export const MAX_BYTES = 256 * 1024
export const ROOM_OF_A_FRAME = 16 * 1024

export type Outcome = { readonly nack: NackCode; readonly reason?: string } | 'acknowledged' | 'unanswered'

export interface Case {
  readonly what: string
  readonly frame: string | object
  readonly outcome: Outcome
}

export const sk = (members: object = {}) => ({ type: 'SK', messageId: 'bad-1', key: 'k', value: CANARY, ...members })
const sa = (value: unknown) => ({ type: 'SA', messageId: 'bad-1', key: 'k', value })
/** A message in which one value is written exactly like that. */
const valued = (json: string) => `{"type":"SK","messageId":"bad-1","key":"k","canary":"${CANARY}","value":${json}}`
const nested = (depth: number) => valued(`${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}`)
/** A message of exactly that many bytes. */
export const sized = (bytes: number, filling = 'x') => {
  const empty = valued('""')
  const room = bytes - Buffer.byteLength(empty)
  const unit = Buffer.byteLength(filling)
  return valued(`"${filling.repeat(Math.floor(room / unit))}${'x'.repeat(room % unit)}"`)
}

const all = (outcome: Outcome, cases: Readonly<Record<string, string | object>>): readonly Case[] =>
  Object.entries(cases).map(([what, frame]) => ({ what, frame, outcome }))

const refused = (nack: NackCode, cases: Readonly<Record<string, string | object>>) => all({ nack }, cases)

/** Each is a member with a wrong value; the reason must say which member it was. */
const wrongMembers = (member: string, values: Readonly<Record<string, unknown>>): readonly Case[] =>
  Object.entries(values).map(([what, value]) => ({
    what: `${member}: ${what}`,
    frame: sk({ [member]: value }),
    outcome: { nack: 'INVALID_MESSAGE', reason: `/${member}` },
  }))

const brokenJson = refused('INVALID_JSON', {
  'an empty frame': '',
  'nothing but white space': ' \r\n\t',
  'a sentence': `hello ${CANARY}`,
  'an opening brace': '{',
  'a closing brace': '}',
  'a message without its end': `{"type":"SK","value":"${CANARY}"`,
  'a string without its end': `{"type":"SK","value":"${CANARY}`,
  'a string that ends in a backslash': `{"type":"SK","value":"${CANARY}\\"}`,
  'a comma too much': `{"type":"SK","value":"${CANARY}",}`,
  'a comma in front': `{,"type":"SK","value":"${CANARY}"}`,
  'a missing comma': `{"type":"SK" "value":"${CANARY}"}`,
  'a missing colon': `{"type" "SK","value":"${CANARY}"}`,
  'a missing value': `{"type":"SK","value":}`,
  'names without quotes': `{type:"SK",value:"${CANARY}"}`,
  'single quotes': `{'type':'SK','value':'${CANARY}'}`,
  'a comment': `{"type":"SK",/* ${CANARY} */"value":1}`,
  'a number for a name': `{1:"${CANARY}"}`,
  NaN: valued('NaN'),
  Infinity: valued('-Infinity'),
  undefined: valued('undefined'),
  'a word of Python': valued('None'),
  'a number with a plus': valued('+1'),
  'a number with a leading nought': valued('01'),
  'a hexadecimal number': valued('0x1F'),
  'a number that ends in a point': valued('1.'),
  'a number that begins with a point': valued('.5'),
  'a number without its exponent': valued('1e'),
  'an unknown escape': valued(`"\\x41 ${CANARY}"`),
  'half a unicode escape': valued(`"\\u12 ${CANARY}"`),
  'a line break within a string': valued(`"${CANARY}\n"`),
  'a tab within a string': valued(`"${CANARY}\t"`),
  'NUL within a string': valued(`"${CANARY}\0"`),
  'NUL between members': `{"type":"SK",\0"value":"${CANARY}"}`,
  'brackets that cross': valued('[{]}'),
  'brackets of the wrong kind': valued('[1}'),
  'a bracket too much': valued('[]]'),
  'something behind the message': `${valued('1')}${CANARY}`,
  'two messages in one frame': `${valued('1')}${valued('2')}`,
  'two messages in two lines': `${valued('1')}\n${valued('2')}`,
  'a byte order mark': `\u{feff}${valued('1')}`,
  'a non-breaking space between members': `{"type":"SK",\u{a0}"value":"${CANARY}"}`,
  'brackets without end': '['.repeat(100_000),
})

const noMessages = refused('INVALID_MESSAGE', {
  'a list': `["${CANARY}"]`,
  'a list of messages': `[${valued('1')}]`,
  'a string': `"${CANARY}"`,
  'a number': '4111111111111111',
  null: 'null',
  true: 'true',
  'lists in lists': `${'['.repeat(50_000)}${']'.repeat(50_000)}`,
  'an empty object': '{}',
  'no type': sk({ type: undefined }),
  'a type of null': sk({ type: null }),
  'a type that is a number': sk({ type: 4111 }),
  'a type that is a list': sk({ type: ['SK'] }),
  'a type that is an object': sk({ type: { toString: CANARY } }),
  'a type without a letter': sk({ type: '' }),
  'a type of 65 letters': sk({ type: 'x'.repeat(65) }),
  'a type with a space': sk({ type: 'SK ' }),
  'a type with a line break': sk({ type: 'SK\nSA' }),
})

const unknownTypes = refused('UNKNOWN_TYPE', {
  'a type that nobody knows': sk({ type: 'fx.unheard-of' }),
  'a type in lower case': sk({ type: 'sk' }),
  'the type __proto__': sk({ type: '__proto__' }),
  'the type constructor': sk({ type: 'constructor' }),
  'the type toString': sk({ type: 'toString' }),
  'the type hasOwnProperty': sk({ type: 'hasOwnProperty' }),
})

const badIds = {
  'without a character': '',
  'of 129 characters': 'x'.repeat(129),
  'with a space': 'a b',
  'with a quote': `a"${CANARY}`,
  'with a line break': 'a\nb',
  'with NUL': 'a\0b',
  'with an escape character': 'a\u{1b}[2Jb',
  'with a slash': '../../etc/passwd',
  'with letters of another alphabet': 'аws-1',
  'with an emoji': '💳',
  'with half a surrogate': '\ud83d',
  'that is a number': 4111111111111111,
  'that is null': null,
  'that is a list': ['a'],
  'that is an object': { a: CANARY },
}

const wrongEnvelopes = [
  ...wrongMembers('messageId', badIds),
  ...wrongMembers('targetInstanceId', {
    empty: '',
    'with a space': 'a b',
    'a number': 1,
    null: null,
    '@self': '@self',
  }),
  ...wrongMembers('clusterGroupId', { empty: '', 'with a quote': '"', 'a number': 1, null: null }),
  ...wrongMembers('correlationId', { empty: '', 'a number': 1 }),
  ...wrongMembers('version', {
    'a word': 'newest',
    'a number': 1,
    'of twelve digits': '170000000000-00000-a',
    'without a name': '1700000000000-00000-',
    'in words that sort last': 'zzzzzzzzzzzzz-00000-a',
  }),
  ...wrongMembers('orderingKey', { 'a number': 1, 'of 513 characters': 'x'.repeat(513), null: null }),
  ...wrongMembers('targetedTags', {
    'a string': CANARY,
    'an object': { 0: CANARY },
    null: null,
    numbers: [1],
    'a null': [null],
    'a list in a list': [[CANARY]],
    'an empty tag': [''],
    'a tag of 65 characters': ['x'.repeat(65)],
    '33 tags': Array.from({ length: 33 }, (_, at) => `t${at}`),
    '30,000 tags': Array.from({ length: 30_000 }, (_, at) => `t${at}`),
  }),
  ...wrongMembers('expiresAt', { 'a date': '2026-01-01', negative: -1, null: null }),
  ...wrongMembers('notBefore', { 'a string': '1', negative: -1, true: true }),
  ...wrongMembers('priority', { negative: -1, ten: 10, 'a fraction': 4.5, 'a string': '9', null: null, huge: 1e300 }),
  ...wrongMembers('traceparent', { 'a number': 1, 'of 129 characters': 'x'.repeat(129) }),
]

const wrongBodies = [
  ...wrongMembers('key', {
    empty: '',
    'a number': 1,
    null: null,
    'an object': { a: CANARY },
    'of 513 characters': 'x'.repeat(513),
  }),
  ...refused('INVALID_MESSAGE', {
    'SK without a key': sk({ key: undefined }),
    'SK without a value': sk({ value: undefined }),
    'SA without a value': sa(undefined),
    'SA with a string': sa(CANARY),
    'SA with an object': sa({ 0: CANARY, length: 1 }),
    'SA with null': sa(null),
    'SA with 10,001 entries': sa(Array.from({ length: 10_001 }, () => 0)),
    'an ACK without an id': { type: 'ACK' },
    'an ACK with a hostile id': { type: 'ACK', messageId: `"${CANARY}` },
    'an ACK of fewer than none': { type: 'ACK', messageId: 'bad-1', recipients: -1 },
    'a HELLO without tags': { type: 'HELLO' },
    'a HELLO with wrong tags': { type: 'HELLO', tags: [1] },
    'a HELLO with too many tags': { type: 'HELLO', tags: Array.from({ length: 1_025 }, (_, at) => `t${at}`) },
  }),
  {
    what: 'a priority beyond all numbers',
    frame: `{"type":"SK","key":"k","value":1,"priority":1e400}`,
    outcome: { nack: 'INVALID_MESSAGE' },
  },
] satisfies readonly Case[]

const duplicateMembers = refused('INVALID_MESSAGE', {
  'the type twice': `{"type":"SK","type":"SA","key":"k","value":"${CANARY}"}`,
  'the value twice': `{"type":"SK","key":"k","value":"${CANARY}","value":"other"}`,
  'the id twice, and the same': '{"type":"SK","messageId":"bad-1","messageId":"bad-1","key":"k","value":1}',
  'a member twice, once with an escape': `{"type":"SK","key":"k","value":1,"v\\u0061lue":"${CANARY}"}`,
  'the path twice': '{"type":"SK","key":"k","value":1,"messagePath":[],"messagePath":["a"]}',
  '__proto__ twice': '{"type":"SK","key":"k","value":1,"__proto__":1,"__proto__":2}',
  'a member without a name, twice': '{"type":"SK","key":"k","value":1,"":1,"":2}',
})

const bounds = [
  ...all('acknowledged', {
    'one byte less than 256 KiB': sized(MAX_BYTES - 1),
    'exactly 256 KiB': sized(MAX_BYTES),
    '256 KiB in characters of three bytes': sized(MAX_BYTES, '€'),
    '32 levels': nested(32),
    'an id of 128 characters': sk({ messageId: `bad-1${'x'.repeat(123)}` }),
    'a key of 512 characters': sk({ key: 'x'.repeat(512) }),
    '32 tags': sk({ targetedTags: Array.from({ length: 32 }, (_, at) => `t${at}`) }),
    'an array of 10,000 entries': sa(Array.from({ length: 10_000 }, () => 0)),
    'a thousand members nobody knows': sk(Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`x${at}`, at]))),
  }),
  ...refused('TOO_LARGE', {
    'one byte more than 256 KiB': sized(MAX_BYTES + 1),
    'few characters, but more than 256 KiB': sized(MAX_BYTES + 1, '€'),
    'as much as a frame may hold': sized(MAX_BYTES + ROOM_OF_A_FRAME),
  }),
  ...refused('TOO_DEEP', {
    '33 levels': nested(33),
    '33 levels of objects': valued(`${'{"a":'.repeat(32)}1${'}'.repeat(32)}`),
    '100,000 levels': nested(100_000),
    '100,000 levels without end': valued('['.repeat(100_000)),
    'a deep member that nobody reads': `{"type":"SK","key":"k","value":1,"x":${'['.repeat(32)}${']'.repeat(32)}}`,
  }),
]

const oddButGood = all('acknowledged', {
  'a value of null': sk({ value: null }),
  'minus nought': valued('-0'),
  'a number beyond all numbers': valued('1e400'),
  'a number of a thousand digits': valued('9'.repeat(1_000)),
  'half a surrogate, escaped': valued(`"\\ud83d ${CANARY}"`),
  'NUL, escaped': valued(`"\\u0000 ${CANARY}"`),
  'a value that looks like a message': valued(`{"type":"ACK","messageId":"other","canary":"${CANARY}"}`),
  'a member without a name': valued('{"":""}').replace('"canary"', '""'),
  '__proto__ as a member': `{"__proto__":{"polluted":"${CANARY}"},${valued('1').slice(1)}`,
  '__proto__ within the value': valued(`{"__proto__":{"polluted":"${CANARY}"}}`),
  'constructor and prototype within the value': valued(`{"constructor":{"prototype":{"polluted":"${CANARY}"}}}`),
  'constructor as a member': sk({ constructor: { prototype: { polluted: CANARY } } }),
  '__proto__ as the key': sk({ key: '__proto__' }),
  'the id __proto__': sk({ messageId: '__proto__bad-1' }),
  'members that objects have by birth': sk({ toString: CANARY, hasOwnProperty: CANARY, valueOf: 1 }),
  'a made-up source': sk({ sourceInstanceId: CANARY }),
  'a made-up path': sk({ messagePath: ['a', CANARY] }),
  'a path that is no path': sk({ messagePath: { a: CANARY } }),
  'a path of a thousand': sk({ messagePath: Array.from({ length: 1_000 }, (_, at) => `i-${at}`) }),
  'a made-up origin': sk({ originInstanceId: CANARY }),
  'an origin that is a number': sk({ originInstanceId: 4111 }),
  'a made-up place in the sequence': sk({ originSequence: 'e.1' }),
})

const unanswered = all('unanswered', {
  'an ACK of nothing that was sent': { type: 'ACK', messageId: 'unheard-of', canary: CANARY },
  'an ACK with everything': { type: 'ACK', messageId: 'bad-1', status: 'stored', recipients: 2, messagePath: [CANARY] },
  'a NACK of nothing that was sent': { type: 'NACK', messageId: 'unheard-of', code: 'BUSY', reason: CANARY },
  'a NACK without a code': { type: 'NACK', messageId: 'bad-1', reason: CANARY },
  'a HELLO of a client': { type: 'HELLO', tags: [CANARY] },
})

/** All cases, by what is wrong with them. */
export const table: Readonly<Record<string, readonly Case[]>> = {
  'broken JSON': brokenJson,
  'what is no message': noMessages,
  'unknown types': unknownTypes,
  'wrong members of every message': wrongEnvelopes,
  'wrong bodies': wrongBodies,
  'members that stand twice': duplicateMembers,
  'sizes and depths': bounds,
  'what is odd, but good': oddButGood,
  'what needs no answer': unanswered,
}
