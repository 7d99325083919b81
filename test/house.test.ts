import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { VERSION } from '../core/index.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** A source file, by its place in the house, such as `core/bus.ts`. */
interface Source {
  readonly place: string
  /** Without comments, which may name what the code may not use. */
  readonly code: string
}

function sourcesIn(room: string): readonly Source[] {
  return readdirSync(join(root, room), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .map((place) => ({ place, code: withoutComments(readFileSync(join(root, place), 'utf8')) }))
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
}

/** Everything that a file imports or exports from elsewhere, types included. Merging into a module is no import. */
function imports({ code }: Source): readonly string[] {
  const places = /(?:^|[\s;}])(?:from|import)\s*\(?\s*'([^'\n]+)'/g
  return [...code.matchAll(places)].map((match) => match[1] as string)
}

/** Where in the house a relative import leads; undefined for packages. */
function leadsTo({ place }: Source, specifier: string): string | undefined {
  return specifier.startsWith('.') ? join(dirname(place), specifier) : undefined
}

/** Imports of a room that lead where they may not, as `file -> where`. */
function trespasses(room: string, mayEnter: (target: string, source: Source) => boolean): readonly string[] {
  return sourcesIn(room).flatMap((source) =>
    imports(source)
      .map((specifier) => leadsTo(source, specifier))
      .filter((target): target is string => target !== undefined && !mayEnter(target, source))
      .map((target) => `${source.place} -> ${target}`),
  )
}

const isIn =
  (...rooms: readonly string[]) =>
  (target: string) =>
    rooms.some((room) => target.startsWith(`${room}/`))

describe('the house', () => {
  describe('has arrows that run one way: bin -> config -> plugins -> core', () => {
    it('core imports nothing but core, and of the client nothing', () => {
      const mayEnter = (target: string, { place }: Source) =>
        isIn('core')(target) && (isIn('core/client')(place) || !isIn('core/client')(target))
      expect(trespasses('core', mayEnter)).to.deep.equal([])
    })

    it('the client imports the protocol, and what it shares with the kernel: clock, backoff, runtime, memory of ids, bodies of types', () => {
      const shared = [
        'core/hybrid-clock.ts',
        'core/backoff.ts',
        'core/message.ts',
        'core/recent.ts',
        'core/runtime/portable.ts',
      ]
      const mayEnter = (target: string) =>
        isIn('core/client', 'core/protocol')(target) || [...shared, 'core/runtime/runtime.ts'].includes(target)
      expect(trespasses('core/client', mayEnter)).to.deep.equal([])
    })

    it('plugins import plugins, and of core its index alone', () => {
      const mayEnter = (target: string) => isIn('plugins')(target) || target === 'core/index.ts'
      expect(trespasses('plugins', mayEnter)).to.deep.equal([])
    })

    it('config imports config, plugins and core', () => {
      expect(trespasses('config', isIn('config', 'plugins', 'core'))).to.deep.equal([])
    })

    it('nobody imports a test', () => {
      for (const room of ['core', 'plugins', 'config', 'bin']) {
        expect(trespasses(room, (target) => !isIn('test')(target))).to.deep.equal([])
      }
    })

    it('sees an import in every way to write one', () => {
      const code = [
        "import { a } from './a.ts'",
        "import type { b } from './b.ts'",
        "import './c.ts'",
        "export * from './d.ts'",
        'export {',
        '  type E,',
        "} from './e.ts'",
        "const f = await import('./f.ts')",
        "type G = import('./g.ts').G",
        "declare module './merged.ts' {}",
      ].join('\n')
      const found = imports({ place: 'core/x.ts', code }).join('')
      expect(found).to.equal('./a.ts./b.ts./c.ts./d.ts./e.ts./f.ts./g.ts')
    })
  })

  describe('asks for time and chance at its seams only', () => {
    const leaks: readonly RegExp[] = [
      /\bDate\.now\b/,
      /\bnew Date\(\)/,
      /\bDate\(\)/,
      /\bperformance\.now\b/,
      /\bhrtime\b/,
      /\bMath\.random\b/,
      /\brandomUUID\b|\brandomBytes\b|\buuidv\d\b/,
      /\bset(Timeout|Interval|Immediate)\b/,
      /\bprocess\.nextTick\b|\bqueueMicrotask\b/,
      /'(node:)?timers(\/promises)?'/,
    ]
    const adapters = isIn('core/runtime', 'plugins/transports', 'plugins/stores/sqlite')
    const leaksIn = ({ place, code }: Source) =>
      leaks.filter((leak) => leak.test(code)).map((leak) => `${place}: ${leak.source}`)

    for (const room of ['core', 'plugins']) {
      it(`${room} holds no leak outside its adapters`, () => {
        const sources = sourcesIn(room).filter(({ place }) => !adapters(place))
        expect(sources.length).to.be.greaterThan(5)
        expect(sources.flatMap(leaksIn)).to.deep.equal([])
      })
    }

    it('would be noticed', () => {
      const leaking = [
        'const at = Date.now()',
        'now: Date.now,',
        'setTimeout(run, 5)',
        "import { randomUUID } from 'crypto'",
      ]
      for (const code of leaking) expect(leaksIn({ place: 'x', code })).to.have.length(1)
    })
  })

  it('has the rooms of its plan, and nothing else on its top level', () => {
    const rooms = ['core', 'plugins', 'config', 'test', 'bin']
    const files = ['package.json', 'package-lock.json', 'tsconfig.json', 'slipstream.config.ts', 'biome.json']
    const papers = ['README.md', 'CHANGELOG.md', 'SECURITY.md', 'LICENSE']
    const made = ['node_modules', 'dist', 'slipstream-data']
    const found = readdirSync(root).filter((name) => !name.startsWith('.') && !made.includes(name))
    expect(found.filter((name) => ![...rooms, ...files, ...papers].includes(name))).to.deep.equal([])
    expect(found).to.include.members([...rooms, ...papers, 'package.json', 'tsconfig.json', 'slipstream.config.ts'])
  })

  it('has a map of its core: each file stands in core/README.md, once, and nothing that is not there', () => {
    const page = readFileSync(join(root, 'core/README.md'), 'utf8')
    const map = page.slice(page.indexOf('## The rooms within'), page.indexOf('## Applying'))
    const named = [...map.matchAll(/`([a-z-]+\.ts)`/g)].map((match) => match[1])
    const files = readdirSync(join(root, 'core')).filter((name) => name.endsWith('.ts'))
    expect(named).to.have.members(files)
  })

  it('bears one version', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
    expect(VERSION).to.equal(version)
  })
})
