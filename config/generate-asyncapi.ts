import { writeFileSync } from 'node:fs'
import { asyncapi } from './asyncapi.ts'

const place = new URL('../core/protocol/asyncapi.json', import.meta.url)
writeFileSync(place, `${JSON.stringify(await asyncapi(), undefined, 2)}\n`)
