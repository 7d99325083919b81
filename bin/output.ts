import { inspect, stripVTControlCharacters, styleText } from 'node:util'
import { problemOf, SlipstreamError } from '../core/errors.ts'

type Style = Exclude<Parameters<typeof styleText>[0], readonly unknown[]>

/**
 * Writes a line of data to stdout. Resolves once the system has taken it: whoever reads slowly slows down the caller.
 * When it cannot be written it never resolves; `main.ts` ends the process on the stream's own error.
 */
export function print(line: string): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write(`${line}\n`, (error) => {
      if (!error) resolve()
    })
  })
}

/** Writes words for the person at the terminal to stderr. */
export function say(words: string): void {
  process.stderr.write(`${words}\n`)
}

/** Coloured when the stream is a terminal and NO_COLOR is not set. One style: Node 20 paints a list of them for files, too. */
export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(style, text, { stream })
}

/** Says what went wrong: code and remedy; with `trace`, where and why as well. */
export function sayError(error: unknown, trace = false): void {
  const title = paint('red', 'slipstream:', process.stderr)
  if (error instanceof SlipstreamError) say(`${title} ${paint('bold', error.code, process.stderr)} ${error.message}`)
  else say(`${title} internal fault: ${problemOf(error)}${trace ? '' : '\nRepeat with --debug to see where.'}`)
  if (trace) say(inspect(error, { depth: 5, colors: process.stderr.isTTY === true }))
}

/** Columns as wide as their widest cell; colours do not count. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows)
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, width(cell))
  const line = (row: readonly string[]) => row.map((cell, column) => pad(cell, widths[column] ?? 0)).join('  ')
  return rows.map((row) => line(row).trimEnd()).join('\n')
}

export function pad(cell: string, columns: number): string {
  return cell + ' '.repeat(Math.max(0, columns - width(cell)))
}

function width(cell: string): number {
  return stripVTControlCharacters(cell).length
}
