import { createRequire } from 'node:module'
import { slipstreamError } from '../../../core/index.ts'

/** From this major on, better-sqlite3 is built for Node-API 10. */
const FIRST_MAJOR_OF_NAPI_10 = 13

/** Refuses a Node on which the driver would end the whole process with a segmentation fault (`SLP_STORE_NODE`). */
export function assertNodeRunsDriver(driver = installedDriver(), { napi, node } = process.versions): void {
  if (Number.parseInt(driver, 10) < FIRST_MAJOR_OF_NAPI_10 || Number(napi) >= 10) return
  throw slipstreamError('SLP_STORE_NODE', [driver, node])
}

function installedDriver(): string {
  return createRequire(import.meta.url)('better-sqlite3/package.json').version
}
