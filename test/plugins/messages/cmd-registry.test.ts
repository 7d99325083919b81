import { expect } from 'chai'
import { SlipstreamError } from '../../../core/index.ts'
import { retention } from '../../../plugins/delivery/retention.ts'
import { type CommandHandler, CommandRegistry } from '../../../plugins/messages/cmd/registry.ts'
import { commands } from '../../../plugins/messages/cmd.ts'
import { failureOf } from '../../core/support.ts'
import { startBus } from '../../support/bus.ts'

const handler: CommandHandler = { run: () => 1 }
const refusal = (register: () => void) => failureOf(SlipstreamError, register)

describe('commands of plugins', () => {
  it('are registered once for each name', async () => {
    const registry = new CommandRegistry()
    registry.register('shop.reprice', handler)
    const error = await refusal(() => registry.register('shop.reprice', handler))
    expect(error).to.include({ code: 'SLP_COMMAND_TAKEN' })
    expect(error.message).to.include('"shop.reprice"')
    expect(registry.names).to.deep.equal(['shop.reprice'])
  })

  it('have names with dots, and no others', async () => {
    const registry = new CommandRegistry()
    for (const name of ['a.b', 'shop.re-price_2', `${'x'.repeat(64)}.${'y'.repeat(63)}`])
      registry.register(name, handler)
    for (const name of ['', 'shop', 'shop.', '.shop', 'a..b', 'a b.c', '../etc.x', `${'x'.repeat(65)}.y`, 'ä.b']) {
      expect(await refusal(() => registry.register(name, handler))).to.include({ code: 'SLP_COMMAND_INVALID' })
    }
    const long = `${'x'.repeat(64)}.${'y'.repeat(64)}`
    expect(await refusal(() => registry.register(long, handler))).to.include({ code: 'SLP_COMMAND_INVALID' })
  })

  it('have a schema that compiles, and a time from 1 ms to 10 minutes', async () => {
    const registry = new CommandRegistry()
    const wrong: readonly Partial<CommandHandler>[] = [
      { args: { type: 'nothing' } },
      { timeoutMs: 0 },
      { timeoutMs: 600_001 },
      { timeoutMs: Number.NaN },
    ]
    for (const one of wrong) {
      expect(await refusal(() => registry.register('a.b', { ...handler, ...one }))).to.include({
        code: 'SLP_COMMAND_INVALID',
      })
    }
    registry.register('a.b', { ...handler, timeoutMs: 600_000 })
    expect(registry.get('a.b')?.timeoutMs).to.equal(600_000)
  })

  it('are 1,000 at most', async () => {
    const registry = new CommandRegistry()
    for (let n = 0; n < 1_000; n++) registry.register(`a.b-${n}`, handler)
    expect((await refusal(() => registry.register('one.more', handler))).message).to.include('1000')
  })
})

describe('the options of commands', () => {
  const starts = async (options: object, ...plugins: Parameters<typeof startBus>[0][]) => {
    const behind = plugins.flatMap((one) => one?.plugins ?? [])
    await startBus({ plugins: [commands(options as never), ...behind] })
  }
  const failure = (options: object) => failureOf(SlipstreamError, () => starts(options))

  it('are closed: what is misspelt, or no list of names, keeps the bus from starting', async () => {
    const wrong = [
      { alow: [] },
      { allow: [{ command: 'a.b' }] },
      { allow: [{ command: 'a.b', identities: 'ops-1' }] },
      { allow: [{ command: 'a b', identities: '*' }] },
      { allow: [{ command: 'a.b', identities: '*', tags: [] }] },
    ]
    for (const options of wrong) expect(await failure(options)).to.include({ code: 'SLP_PLUGIN_OPTIONS' })
    await starts({ allow: [{ command: 'a.b', identities: ['ops-1'] }] })
  })

  it('may be what came of them is kept for longer than they may be repeated, or the bus does not start', async () => {
    await starts({}, { plugins: [retention()] })
    const error = await failureOf(SlipstreamError, () => starts({}, { plugins: [retention({ executionDays: 1 })] }))
    expect(error).to.include({ code: 'SLP_WINDOW_TOO_SHORT' })
    expect(error.message).to.include('(the latest expiresAt of commands)').and.include('(executionDays of retention)')
  })
})
