import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { SlipstreamError } from '../../core/index.ts'

/** Makes folders with the given files in them; they are gone after each test of the suite that asked. */
export function temporaryFolders(): (files?: Readonly<Record<string, string>>) => string {
  const made: string[] = []
  afterEach(() => {
    for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true })
  })
  return (files = {}) => {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), 'slipstream-config-')))
    made.push(folder)
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true })
      writeFileSync(join(folder, name), content)
    }
    return folder
  }
}

/** The error that the task ends in. */
export async function errorOf(task: () => unknown): Promise<SlipstreamError> {
  try {
    await task()
  } catch (error) {
    if (error instanceof SlipstreamError) return error
    throw error
  }
  throw new Error('Nothing was thrown')
}
