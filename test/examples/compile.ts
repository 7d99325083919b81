import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { install, REPOSITORY } from '../acceptance/support/instance.ts'
import type { Stage } from '../acceptance/support/stage.ts'

const TSC = join(REPOSITORY, 'node_modules/typescript/bin/tsc')

const TSCONFIG = JSON.stringify({
  compilerOptions: {
    ...{ target: 'es2023', module: 'nodenext', strict: true, noEmit: true, types: [] },
    ...{ skipLibCheck: true, allowImportingTsExtensions: true },
  },
  include: ['*.ts'],
})

/** What the compiler says to a file in the folder of a user who has installed slipstream and these packages. */
export async function compile(
  stage: Stage,
  packages: Readonly<Record<string, string>>,
  source: string,
): Promise<string> {
  const folder = await stage.subfolder('user')
  await install(folder, packages)
  await writeFile(join(folder, 'tsconfig.json'), TSCONFIG)
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  await writeFile(join(folder, 'user.ts'), source)
  return new Promise((resolve) => {
    execFile(process.execPath, [TSC, '-p', folder], (_, stdout) => resolve(stdout))
  })
}
