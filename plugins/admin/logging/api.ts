import { Ajv } from 'ajv'
import type { Plugin } from '../../../core/index.ts'
import type { Answer } from '../http/index.ts'
import type { LoggingService } from './index.ts'
import { type LogSwitches, SEVERITIES } from './switches.ts'

/** Closed: what is not a switch, such as redaction, cannot be turned. */
const schema = {
  type: 'object',
  additionalProperties: false,
  minProperties: 1,
  properties: {
    message: { type: 'boolean' },
    debug: { type: 'boolean' },
    level: { enum: SEVERITIES },
  },
}

/** `GET|PUT /api/v1/logging`: looks at what is logged, and turns it, while the bus runs. */
export function loggingApi(): Plugin {
  return {
    name: 'logging-api',
    requires: ['logging', 'http'],
    apply(kernel) {
      const http = kernel.use('http')
      const logging = kernel.use('logging')
      const ajv = new Ajv()
      const validate = ajv.compile<Partial<LogSwitches>>(schema)
      http.route('GET', '/api/v1/logging', { access: 'read' }, () => state(logging))
      http.route('PUT', '/api/v1/logging', { access: 'write' }, ({ body }) => {
        if (!validate(body)) return wrong(ajv.errorsText(validate.errors, { dataVar: 'body' }))
        return logging.turn(body) ? state(logging) : wrong('debug and level contradict each other')
      })
    },
  }
}

function state({ switches, dropped }: LoggingService): Answer {
  return { body: { ...switches, dropped } }
}

/** Ajv's words hold names and bounds of the schema, never what was sent. */
function wrong(message: string): Answer {
  return { status: 400, body: { code: 'INVALID', message } }
}
