import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { loadConfig } from '../../config/load.ts'
import { CONFIG_VARIABLE, optionNames, options } from '../../config/options.ts'
import { configSchema, describe as describeFault, faultsOf } from '../../config/schema.ts'
import { builtIns } from '../../config/standard.ts'
import { errorOf, temporaryFolders } from './folder.ts'

const problems = (config: unknown) => faultsOf(config).map(describeFault)
const read = (name: string) => readFileSync(new URL(`../../config/${name}`, import.meta.url), 'utf8')

describe('config: schema', () => {
  const folder = temporaryFolders()

  const cases: readonly [config: unknown, problem: string][] = [
    [{ prot: 1 }, '/prot is not an option, did you mean "port"?'],
    [{ storagepath: 'x' }, '/storagepath is not an option, did you mean "storagePath"?'],
    [{ colour: 'red' }, '/colour is not an option'],
    [JSON.parse('{"__proto__":{"port":1}}'), '/__proto__ is not an option'],
    [{ logs: { debgu: true } }, '/logs/debgu is not an option, did you mean "debug"?'],
    [{ tls: { certificate: 'x' } }, '/tls/certificate is not an option'],
    [{ peers: [{ url: 'ws://a/', tag: [] }] }, '/peers/0/tag is not an option, did you mean "tags"?'],
    [{ peers: [{}] }, '/peers/0/url is missing'],
    [{ port: '7070' }, '/port must be a whole number from 0 to 65535'],
    [{ port: 65_536 }, '/port must be a whole number from 0 to 65535'],
    [{ port: null }, '/port must be a whole number from 0 to 65535'],
    [{ retryInSeconds: 0 }, '/retryInSeconds must be a number of seconds above 0 and up to 3600'],
    [{ retryInSeconds: Number.NaN }, '/retryInSeconds must be a number of seconds above 0 and up to 3600'],
    [{ tags: 'aws' }, '/tags must be a list of tags, each 1 to 64 characters without blanks and commas'],
    [{ tags: ['a', 'b,c'] }, '/tags/1 must be a tag of 1 to 64 characters without blanks and commas'],
    [{ tls: true }, '/tls must be an object'],
    [{ plugins: {} }, '/plugins must be a list of plugins, names and lists'],
    [[], 'The configuration must be an object'],
    ['port', 'The configuration must be an object'],
  ]
  for (const [config, problem] of cases) {
    it(`says of ${JSON.stringify(config)}: ${problem}`, () => expect(problems(config)).to.deep.equal([problem]))
  }

  it('lists everything that is wrong with a file at once', async () => {
    const place = folder({ 'slipstream.config.json': '{ "prot": 1, "host": 2, "logs": { "debug": "s3cret" } }' })
    const { code, message } = await errorOf(() => loadConfig(undefined, place, {}))
    expect(code).to.equal('SLP_CONFIG_INVALID')
    expect(message)
      .to.include('slipstream.config.json')
      .and.include('/prot')
      .and.include('/host')
      .and.include('/logs/debug')
    expect(message).to.not.include('s3cret')
  })

  it('takes a member that is undefined for one that is not there', () => {
    expect(
      problems({ port: undefined, tls: undefined, logs: { debug: undefined }, plugins: [undefined, false] }),
    ).to.deep.equal([])
  })

  it('passes every default', () => {
    for (const name of optionNames) {
      const preset = options[name].default
      if (preset !== undefined && !name.includes('.')) expect(problems({ [name]: preset }), name).to.deep.equal([])
    }
  })

  it('is what schema.json holds; npm run schema writes it anew', () => {
    expect(JSON.parse(read('schema.json'))).to.deep.equal(JSON.parse(JSON.stringify(configSchema)))
  })
})

describe('config: README', () => {
  const rows = read('README.md')
    .split('\n')
    .filter((line) => /^\| `/.test(line))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
  const rowOf = (name: string) => rows.find(([option]) => option === `\`${name}\``)

  it('has a row for each option of the schema and no other', () => {
    const topLevel = Object.keys(configSchema.properties as object).filter((name) => name !== 'tls' && name !== 'logs')
    const nested = optionNames.filter((name) => name.includes('.'))
    expect(rows.map(([option]) => option)).to.have.members([...topLevel, ...nested].map((name) => `\`${name}\``))
  })

  for (const name of optionNames) {
    it(`names default, variable and flag of ${name}`, () => {
      const [, , preset, variable, flag] = rowOf(name) ?? []
      const { default: value, environment, flag: expected } = options[name]
      if (value !== undefined)
        expect(preset).to.equal(`\`${typeof value === 'string' ? value : JSON.stringify(value)}\``)
      expect(variable).to.equal(environment === undefined ? '–' : `\`${environment}\``)
      expect(flag).to.equal(`\`${expected}\``)
    })
  }

  it('lists what standard() is made of, in its order', () => {
    const listed = /runs when `plugins` is left out:([^,]+),/.exec(read('README.md'))?.[1] ?? ''
    const apart = ['standard', 'memory', 'memoryState', 'redisState']
    const factories = [...builtIns.keys()].filter((name) => !apart.includes(name))
    expect(listed.match(/\w+/g)).to.deep.equal(factories)
  })

  it('names the variable of the file itself', () => expect(read('README.md')).to.include(CONFIG_VARIABLE))
})
