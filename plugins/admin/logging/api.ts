import { Ajv } from 'ajv'
import type { Plugin } from '../../../core/index.ts'
import type { Answer } from '../http/index.ts'
import type { LoggingService } from './index.ts'
import { type LogSwitches, SEVERITIES } from './switches.ts'

/** A turn reverts by itself after this time unless another one is asked for, in seconds, and after a day at most. */
const FOR_SECONDS = 15 * 60
const MAX_SECONDS = 24 * 60 * 60

/** Closed: what is not a switch, such as redaction, cannot be turned. A time alone turns nothing. */
const schema = {
  type: 'object',
  additionalProperties: false,
  anyOf: [{ required: ['message'] }, { required: ['debug'] }, { required: ['level'] }],
  properties: {
    message: { type: 'boolean' },
    debug: { type: 'boolean' },
    level: { enum: SEVERITIES },
    forSeconds: { type: 'number', minimum: 0, maximum: MAX_SECONDS },
  },
}

/** `GET|PUT /api/v1/logging`: looks at what is logged, and turns it for a while (`forSeconds`; 0: until a restart). */
export function loggingApi(): Plugin {
  return {
    name: 'logging-api',
    requires: ['logging', 'http'],
    apply(kernel) {
      const http = kernel.use('http')
      const logging = kernel.use('logging')
      const ajv = new Ajv()
      const validate = ajv.compile<Partial<LogSwitches> & { forSeconds?: number }>(schema)
      http.route('GET', '/api/v1/logging', { access: 'read' }, () => state(logging))
      http.route('PUT', '/api/v1/logging', { access: 'write' }, ({ body }) => {
        if (!validate(body)) return wrong(ajv.errorsText(validate.errors, { dataVar: 'body' }))
        const { forSeconds = FOR_SECONDS, ...turns } = body
        return logging.turn(turns, forSeconds * 1_000) ? state(logging) : wrong('debug and level contradict each other')
      })
    },
  }
}

function state({ switches, revertsAt, dropped }: LoggingService): Answer {
  const reverts = revertsAt === undefined ? {} : { revertsAt: new Date(revertsAt).toISOString() }
  return { body: { ...switches, ...reverts, dropped } }
}

/** Ajv's words hold names and bounds of the schema, never what was sent. */
function wrong(message: string): Answer {
  return { status: 400, body: { code: 'INVALID', message } }
}
