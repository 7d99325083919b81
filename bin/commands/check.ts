import { type ConfigReport, checkConfig } from '../../config/check.ts'
import type { Flags } from '../../config/flags.ts'
import { Exit } from '../exit.ts'
import { paint, print, say, table } from '../output.ts'

/** Checks each file, or the one that `start` would take, and ends with exit code 2 when there is a problem in any. */
export async function check(files: readonly string[], { json, ...flags }: Flags): Promise<void> {
  const each = files.length > 0 ? files.map((config) => ({ ...flags, config })) : [flags]
  const reports: ConfigReport[] = []
  for (const one of each) reports.push(await checkConfig({ flags: one }))
  if (json === true) await print(JSON.stringify(reports.map(plain), undefined, 2))
  else for (const report of reports) await show(report)
  if (reports.some(({ problems }) => problems.length > 0)) process.exitCode = Exit.USAGE
}

function plain({ file, problems, values, plugins }: ConfigReport): object {
  const without = problems.map(({ code, message }) => ({ code, message }))
  return { file: file ?? null, problems: without, values: Object.fromEntries(values), plugins }
}

async function show({ file, problems, values, plugins }: ConfigReport): Promise<void> {
  const verdict = problems.length === 0 ? paint('green', 'ok') : paint('red', `${problems.length} wrong`)
  await print(`${paint('bold', file ?? 'defaults (no file)')}  ${verdict}`)
  const rows = [...values].map(([name, { value, source }]) => [`  ${name}`, textOf(value), paint('gray', source)])
  if (rows.length > 0) await print(table(rows))
  if (plugins.length > 0) await print(`  plugins  ${plugins.join(', ')}`)
  for (const { code, message } of problems) say(`${paint('red', code, process.stderr)} ${message}`)
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  return Array.isArray(value) && value.length === 0 ? '–' : JSON.stringify(value)
}
