import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'

const fixtures = fileURLToPath(new URL('fixtures', import.meta.url))
const browser = fileURLToPath(new URL('browser', import.meta.url))
const compiler = join(dirname(fileURLToPath(import.meta.resolve('typescript/package.json'))), 'bin', 'tsc')

/** What the compiler finds wrong with a project, as lines of each file. */
async function errors(project: string): Promise<ReadonlyMap<string, ReadonlySet<number>>> {
  const output = await new Promise<string>((resolve) => {
    const run = [compiler, '--project', project, '--pretty', 'false']
    execFile(process.execPath, run, (_error, stdout, stderr) => resolve(stdout + stderr))
  })
  const found = new Map<string, Set<number>>()
  for (const [, file, line] of output.matchAll(/^(.+?)\((\d+),\d+\): error TS\d+/gm)) {
    const name = file?.split('/').at(-1) as string
    found.set(name, (found.get(name) ?? new Set()).add(Number(line)))
  }
  return found
}

/** Lines that say of themselves that they are wrong, and why. */
function wrongLines(file: string): ReadonlyMap<number, string> {
  const lines = readFileSync(file, 'utf8').split('\n')
  const marked = lines.map((text, at) => [at + 1, /\/\/ wrong: (.*)$/.exec(text)?.[1]] as const)
  return new Map(marked.filter((line): line is [number, string] => line[1] !== undefined))
}

describe('types', function () {
  this.timeout(60_000)
  let found: ReadonlyMap<string, ReadonlySet<number>>

  before(async () => {
    found = await errors(fixtures)
  })

  it('let through a plugin that is right', () => {
    expect([...(found.get('right.ts') ?? [])]).to.deep.equal([])
  })

  for (const [line, why] of wrongLines(join(fixtures, 'wrong.ts'))) {
    it(`refuse a plugin that is wrong: ${why}`, () => {
      expect(found.get('wrong.ts')?.has(line)).to.equal(true)
    })
  }

  it('refuse nothing else', () => {
    expect([...found.keys()]).to.deep.equal(['wrong.ts'])
    expect(
      [...(found.get('wrong.ts') ?? [])].filter((line) => !wrongLines(join(fixtures, 'wrong.ts')).has(line)),
    ).to.deep.equal([])
  })
})

describe('types of the client', function () {
  this.timeout(60_000)
  const wrong = wrongLines(join(browser, 'page.ts'))
  let found: ReadonlyMap<string, ReadonlySet<number>>

  before(async () => {
    found = await errors(browser)
  })

  it('compile for a page that has no types of Node, and know the types that plugins declare', () => {
    expect([...found.keys()]).to.deep.equal(['page.ts'])
    expect([...(found.get('page.ts') ?? [])].filter((line) => !wrong.has(line))).to.deep.equal([])
  })

  for (const [line, why] of wrong) {
    it(`refuse ${why}`, () => {
      expect(found.get('page.ts')?.has(line)).to.equal(true)
    })
  }
})
