import { ID_PATTERN } from '../core/index.ts'
import type { LogsConfig, SlipstreamConfig, TlsConfig } from './define.ts'

/** A setting as flags, environment, schema and README know it: this table is what all of them are made from. */
export interface Option {
  /** JSON Schema of its value. `expected` stands behind "must be" in error messages. */
  readonly schema: OptionSchema
  readonly flag: `--${string}`
  readonly environment?: string
  readonly default?: unknown
  /** The value is the path of a file, or PEM text. */
  readonly isFile?: true
}

export interface OptionSchema {
  readonly type: 'string' | 'number' | 'integer' | 'boolean' | 'array'
  readonly description: string
  readonly expected: string
  readonly [keyword: string]: unknown
}

/** `port`, `tls.cert`, …: the dot stands for an object within the configuration. */
export type OptionName =
  | Exclude<keyof SlipstreamConfig, 'tls' | 'logs' | 'plugins'>
  | `tls.${keyof TlsConfig}`
  | `logs.${keyof LogsConfig}`

/** The environment variable that names the configuration file itself. */
export const CONFIG_VARIABLE = 'SLIPSTREAM_CONFIG'

export const options: Readonly<Record<OptionName, Option>> = {
  instanceId: {
    schema: id('Wish for the instance id. Without it the store draws one and keeps it.'),
    flag: '--instance-id',
    environment: 'SLIPSTREAM_INSTANCE_ID',
  },
  host: {
    schema: text('Address to listen on. Beyond loopback it takes TLS or allowInsecure.', 'a host name or an address'),
    flag: '--host',
    environment: 'SLIPSTREAM_HOST',
    default: '127.0.0.1',
  },
  port: {
    schema: whole('Port to listen on; 0 takes any that is free.', 65_535),
    flag: '--port',
    environment: 'SLIPSTREAM_PORT',
    default: 7070,
  },
  tags: {
    schema: tags('What this instance bears; messages that target one of these tags are for it.'),
    flag: '--tags',
    environment: 'SLIPSTREAM_TAGS',
    default: [],
  },
  clusterGroupId: {
    schema: id('The group of instances that stand side by side for the same neighbours.'),
    flag: '--cluster-group-id',
    environment: 'SLIPSTREAM_CLUSTER_GROUP_ID',
  },
  peers: {
    schema: {
      type: 'array',
      maxItems: 256,
      items: peer(),
      description: 'Instances to dial. Each is a recipient from the start, seen or not.',
      expected: 'a list of at most 256 peers',
    },
    flag: '--peer',
    environment: 'URL_CONFIG',
    default: [],
  },
  storagePath: {
    schema: text('The SQLite file.', 'the path of a file'),
    flag: '--storage-path',
    environment: 'SLIPSTREAM_STORAGE_PATH',
    default: './slipstream-data/slipstream.db',
    isFile: true,
  },
  retryInSeconds: {
    schema: {
      type: 'number',
      exclusiveMinimum: 0,
      maximum: 3_600,
      description: 'First delay before a delivery is repeated and before a peer is dialled again, in seconds.',
      expected: 'a number of seconds above 0 and up to 3600',
    },
    flag: '--retry-in-seconds',
    environment: 'SLIPSTREAM_RETRY_IN_N_SECONDS',
    default: 5,
  },
  connectionRetryAttempts: {
    schema: whole('Quick attempts to dial before only a probe a minute goes out; it never gives up.', 1_000_000),
    flag: '--connection-retry-attempts',
    environment: 'SLIPSTREAM_CONNECTION_RETRY_ATTEMPTS',
    default: 10,
  },
  maxRepublishAttempts: {
    schema: whole('Counted failures of a delivery before it becomes a dead letter.', 1_000_000),
    flag: '--max-republish-attempts',
    environment: 'MAX_MESSAGE_REPUBLISH_ATTEMPTS',
    default: 3,
  },
  metricsPort: {
    schema: whole('Port of metrics, health and administration; 0 takes any that is free.', 65_535),
    flag: '--metrics-port',
    environment: 'METRICS_PORT',
    default: 8080,
  },
  adminHost: {
    schema: text(
      'Address that the port of metrics, health and administration listens on.',
      'a host name or an address',
    ),
    flag: '--admin-host',
    environment: 'SLIPSTREAM_ADMIN_HOST',
    default: '127.0.0.1',
  },
  adminTokenFile: {
    schema: text('File that holds the token for administration.', 'the path of a file'),
    flag: '--admin-token-file',
    environment: 'SLIPSTREAM_ADMIN_TOKEN_FILE',
    isFile: true,
  },
  'tls.cert': {
    schema: pem('Certificate of the listening side.'),
    flag: '--tls-cert',
    environment: 'SLIPSTREAM_TLS_CERT',
    isFile: true,
  },
  'tls.key': {
    schema: pem('Private key of that certificate.'),
    flag: '--tls-key',
    environment: 'SLIPSTREAM_TLS_KEY',
    isFile: true,
  },
  'tls.ca': {
    schema: pem('With it, whoever connects must show a certificate that it signed (mutual TLS).'),
    flag: '--tls-ca',
    environment: 'SLIPSTREAM_TLS_CA',
    isFile: true,
  },
  allowInsecure: {
    schema: yesOrNo('Allows listening beyond loopback without TLS, where the network itself is trusted.'),
    flag: '--allow-insecure',
    environment: 'SLIPSTREAM_ALLOW_INSECURE',
    default: false,
  },
  publishersRepeatHours: {
    schema: {
      type: 'number',
      minimum: 0,
      maximum: 8_760,
      description: 'For how long publishers repeat what was not acknowledged, in hours; ids are remembered for longer.',
      expected: 'a number of hours from 0 to 8760',
    },
    flag: '--publishers-repeat-hours',
    default: 12,
  },
  drainTimeoutSeconds: {
    schema: {
      type: 'number',
      minimum: 0,
      maximum: 3_600,
      description: 'How long a stop waits for what is under way, in seconds.',
      expected: 'a number of seconds from 0 to 3600',
    },
    flag: '--drain-timeout-seconds',
    default: 10,
  },
  'logs.message': {
    schema: yesOrNo('Logs the steps of each message. Values never are.'),
    flag: '--message-logs',
    environment: 'ENABLE_MESSAGE_LOGS',
    default: true,
  },
  'logs.debug': {
    schema: yesOrNo('Logs what helps to find a fault.'),
    flag: '--debug-logs',
    environment: 'ENABLE_DEBUG_LOGS',
    default: false,
  },
}

export const optionNames = Object.keys(options) as readonly OptionName[]

function text(description: string, expected: string): OptionSchema {
  return { type: 'string', minLength: 1, maxLength: 4_096, description, expected }
}

function pem(description: string): OptionSchema {
  const expected = 'the path of a PEM file, or PEM text'
  return {
    type: 'string',
    minLength: 1,
    maxLength: 262_144,
    description: `${description} PEM file, or PEM text.`,
    expected,
  }
}

function id(description: string): OptionSchema {
  return {
    type: 'string',
    pattern: ID_PATTERN,
    description,
    expected: '1 to 128 of the characters A-Z a-z 0-9 . _ : -',
  }
}

function whole(description: string, maximum: number): OptionSchema {
  return { type: 'integer', minimum: 0, maximum, description, expected: `a whole number from 0 to ${maximum}` }
}

function yesOrNo(description: string): OptionSchema {
  return { type: 'boolean', description, expected: 'true or false' }
}

function tags(description: string): OptionSchema {
  const expected = 'a list of tags, each 1 to 64 characters without blanks and commas'
  const items = {
    type: 'string',
    pattern: '^[^\\s,]{1,64}$',
    expected: 'a tag of 1 to 64 characters without blanks and commas',
  }
  return { type: 'array', maxItems: 256, items, description, expected }
}

/** Credentials in a URL would end up in logs and metrics, where a peer goes by its URL until its id is known. */
function peer(): object {
  return {
    type: 'object',
    required: ['url'],
    additionalProperties: false,
    expected: 'an object with a url',
    properties: {
      url: {
        type: 'string',
        maxLength: 2_048,
        pattern: '^[a-z][a-z0-9+.-]*://[^\\s/?#@]+([/?][^\\s#]*)?$',
        description: 'Where it listens.',
        expected: 'a URL such as wss://host:7070/ without credentials',
      },
      tags: tags('What is reachable behind the link, beside what the peer announces.'),
      clusterGroupId: id('Its group.'),
      instanceId: id('Its instance id: a link that leads elsewhere is refused.'),
      ca: pem('Authorities to trust for it.'),
      cert: pem('Certificate to present to it.'),
      key: pem('Private key of that certificate.'),
      rejectUnauthorized: yesOrNo('False accepts any certificate.'),
      token: text('Bearer token to present to it.', 'a token'),
    },
  }
}
