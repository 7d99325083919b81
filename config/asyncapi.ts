import { createBus, type Kernel, type Plugin, SUBPROTOCOLS, VERSION } from '../core/index.ts'
import { memoryState } from '../plugins/state/memory.ts'
import { memory } from '../plugins/stores/memory.ts'
import { lineMessages } from './asyncapi-lines.ts'
import { standard } from './standard.ts'

type Json = Readonly<Record<string, unknown>>

/** What each built-in type is for, and one message of it. A type that is not here is left out of the document. */
const TYPES: Readonly<Record<string, { readonly summary: string; readonly example: Json }>> = {
  SK: { summary: 'Sets a key.', example: { messageId: 'p-1', key: 'order.1', value: { state: 'paid', cents: 1250 } } },
  SA: { summary: 'Sets an array.', example: { messageId: 'p-2', key: 'currencies', value: ['EUR', 'SEK'] } },
  SW: {
    summary: 'Sets members of a key to weights; null removes one.',
    example: {
      key: 'ranking',
      value: [
        { member: 'a', weight: 1.5 },
        { member: 'b', weight: null },
      ],
    },
  },
  DEL: { summary: 'Deletes a key.', example: { key: 'order.1', targetedTags: ['aws'] } },
  GK: { summary: 'Asks for what SK has set.', example: { messageId: 'ask-1', key: 'order.1', consistency: 'newest' } },
  GA: { summary: 'Asks for what SA has set.', example: { messageId: 'ask-2', key: 'currencies', timeoutMs: 1000 } },
  GW: { summary: 'Asks for what SW has set.', example: { messageId: 'ask-3', key: 'ranking', consistency: 'local' } },
  CMD: {
    summary: 'Runs a command that is registered by name and allowed.',
    example: { messageId: 'cmd-1', command: 'slipstream.ping', expiresAt: 1_767_225_600_000 },
  },
  REPLY: {
    summary: 'What is known of what was asked, or what came of a command.',
    example: { correlationId: 'ask-1', value: 1, version: '1767225600000-00000-aws-1', complete: true },
  },
  ACK: {
    summary: 'It is durable here, you may forget it.',
    example: { messageId: 'p-1', originInstanceId: 'aws-1', status: 'stored', recipients: 2 },
  },
  NACK: {
    summary: 'It is not kept here.',
    example: { messageId: 'p-3', code: 'INVALID_MESSAGE', reason: '/key must be string', retryable: false },
  },
  HELLO: {
    summary: 'What is reachable behind the link now, and what time it is here; to those that understand it.',
    example: { tags: ['aws', 'gcp'], time: 1_767_225_600_000, agrees: 2 },
  },
  SUBSCRIBE: {
    summary: 'Narrows what this client gets of what is for it.',
    example: { messageId: 'sub-1', types: ['SK'], keys: ['order.'] },
  },
  SYNC: { summary: 'Compares state; to instances that understand it.', example: { id: 1, ask: 'begin', epoch: 'k3' } },
}

const text = { type: 'string' }
const HANDSHAKE = {
  query: {
    type: 'object',
    properties: {
      instanceId: { ...text, description: 'Id of an instance, or the name of a client: what is due waits for it.' },
      role: { ...text, enum: ['client', 'instance'] },
      tags: { ...text, description: 'What it bears, separated by commas.' },
      clusterGroupId: text,
      durable: { ...text, enum: ['true', 'false', '1', '0'], description: 'false: nothing waits while it is away.' },
      hello: { ...text, enum: ['1'], description: 'It understands HELLO on the plain level.' },
      sync: { ...text, enum: ['1'], description: 'It understands SYNC.' },
    },
  },
  headers: {
    type: 'object',
    properties: {
      'Sec-WebSocket-Protocol': { ...text, examples: [`${SUBPROTOCOLS.linked}, ${SUBPROTOCOLS.plain}`] },
      Authorization: { ...text, description: 'Bearer token.' },
    },
  },
}

/** The AsyncAPI 3 document of what an instance with the standard plugins speaks, as it speaks it. */
export async function asyncapi(): Promise<Json> {
  const plain = plainMessages(await schemas())
  const linked = lineMessages()
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Slipstream',
      version: VERSION,
      description: 'The wire protocol on both of its levels. Generated; README.md beside this file says what it means.',
    },
    defaultContentType: 'application/json',
    servers: {
      instance: {
        host: '127.0.0.1:7070',
        pathname: '/',
        protocol: 'ws',
        description: 'An instance as it is by default.',
      },
    },
    channels: {
      plain: channel('plain', 'Each text frame is one of these messages.', plain),
      linked: channel('linked', 'Each text frame is one or many of these lines, separated by LF, up to 1 MiB.', linked),
    },
    operations: {
      plainIn: operation('receive', 'plain', 'What an instance takes.'),
      plainOut: operation('send', 'plain', 'What an instance says.'),
      linkedIn: operation('receive', 'linked', 'What an instance takes.'),
      linkedOut: operation('send', 'linked', 'What an instance says.'),
    },
    components: { messages: { ...plain, ...linked } },
  }
}

function channel(level: keyof typeof SUBPROTOCOLS, description: string, messages: Json): Json {
  return {
    address: '/',
    title: `${level}: ${SUBPROTOCOLS[level]}`,
    description,
    messages: Object.fromEntries(
      Object.keys(messages).map((name) => [name, { $ref: `#/components/messages/${name}` }]),
    ),
    bindings: { ws: { method: 'GET', ...HANDSHAKE, bindingVersion: '0.1.0' } },
  }
}

function operation(action: 'send' | 'receive', level: string, summary: string): Json {
  return { action, summary, channel: { $ref: `#/channels/${level}` } }
}

function plainMessages(schemas: ReadonlyMap<string, object>): Json {
  const messages: Record<string, Json> = {}
  for (const [name, schema] of schemas) {
    const { summary, example } = TYPES[name] ?? {}
    if (!summary) continue
    const payload = withType(schema, name)
    messages[name] = { name, summary, payload, examples: [{ payload: { type: name, ...example } }] }
  }
  return messages
}

function withType(schema: object, type: string): Json {
  const { required = [], properties, ...rest } = schema as { required?: readonly string[]; properties: Json }
  return { ...rest, required: ['type', ...required], properties: { ...properties, type: { const: type } } }
}

/** The schemas of all types that the standard plugins bring, from a bus that has them and no sockets, files or state. */
async function schemas(): Promise<ReadonlyMap<string, object>> {
  const schemas = new Map<string, object>()
  const describing: Plugin = {
    name: 'describing',
    apply: (kernel: Kernel) => {
      for (const name of kernel.messageTypes()) schemas.set(name, kernel.typeSchema(name) as object)
    },
  }
  const plugins = standard(WITHOUT)
  const bus = createBus({ plugins: [memory(), memoryState(), ...plugins, describing] })
  await bus.start()
  await bus.stop()
  return schemas
}

/** What keeps, listens or shows: what is said on the wire does not depend on it. */
const WITHOUT = {
  logging: false,
  sqlite: false,
  sqliteState: false,
  http: false,
  loggingApi: false,
  statusApi: false,
  deadLettersApi: false,
  health: false,
  prometheus: false,
  websocket: false,
  budget: false,
} as const
