import { writeFileSync } from 'node:fs'
import { configSchema } from './schema.ts'

writeFileSync(new URL('schema.json', import.meta.url), `${JSON.stringify(configSchema, undefined, 2)}\n`)
