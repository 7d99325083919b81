import { expect } from 'chai'
import { createBus, type Kernel, type Plugin, type Settings, SlipstreamError } from '../../core/index.ts'
import { retention } from '../../plugins/delivery/retention.ts'
import { memory } from '../../plugins/stores/memory.ts'
import { plugin, socket } from './plugin-support.ts'
import { failureOf } from './support.ts'

const HOUR_MS = 60 * 60 * 1_000

/** Starts a bus over a store in memory; resolves to why it does not start, if it does not. */
async function start(plugins: readonly Plugin[], settings: Partial<Settings> = {}) {
  const network = socket()
  const bus = createBus({ plugins: [network.plugin, ...plugins], settings })
  try {
    await bus.start()
    return undefined
  } catch (error) {
    expect(network.seen.opened, 'sockets').to.equal(0)
    return error as SlipstreamError
  } finally {
    await bus.stop()
  }
}

type Declares = (windows: Kernel['windows']) => void

/** The plugin of that name declares something of commands. */
const declaring = (name: string, declares: Declares) => plugin(name, ({ windows }) => declares(windows))
const commands = (...declarations: Declares[]) =>
  start([memory(), ...declarations.map((declares, at) => declaring(`plugin-${at}`, declares))])

describe('windows of deduplication', () => {
  it('fit by default: ids are remembered and kept for 24 hours, publishers repeat for 12', async () => {
    expect(await start([memory(), retention()])).to.equal(undefined)
    expect(await start([memory({ rememberIdsHours: 12.1 })])).to.equal(undefined)
    expect((await start([memory({ rememberIdsHours: 12 })]))?.code).to.equal('SLP_WINDOW_TOO_SHORT')
    expect((await start([memory(), retention({ settledHours: 23 })]))?.code).to.equal('SLP_WINDOW_NOT_KEPT')
  })

  it('that end before repetitions do keep the bus from starting, and both times are named with what they come from', async () => {
    const error = await start([memory({ rememberIdsHours: 6 })])
    expect(error).to.include({ code: 'SLP_WINDOW_TOO_SHORT' })
    expect(error?.message).to.equal(
      'publisher-ids: repetitions may come for 12 h (the setting publishersRepeatHours), but are recognised for 6 h only ' +
        '(rememberIdsHours of store-memory): later ones would be taken for something new. Make it longer than 12 h, or let ' +
        'repetitions end before 6 h.',
    )
    expect(await start([memory({ rememberIdsHours: 6 })], { publishersRepeatMs: 5 * HOUR_MS })).to.equal(undefined)
  })

  it('rest on what is kept for as long, or the bus does not start', async () => {
    const error = await start([memory({ rememberIdsHours: 48 }), retention({ settledHours: 24 })])
    expect(error).to.include({ code: 'SLP_WINDOW_NOT_KEPT' })
    expect(error?.message).to.equal(
      'publisher-ids: repetitions are to be recognised for 48 h (rememberIdsHours of store-memory), but what tells them is ' +
        'kept for 24 h only (settledHours of retention). Keep it for 48 h, or recognise them for 24 h.',
    )
    expect(await start([memory({ rememberIdsHours: 48 }), retention({ settledHours: 48 })])).to.equal(undefined)
  })

  it('are of any subject: of several the shortest counts, and the longest repetition, whoever declares them first', async () => {
    const error = await commands(
      (windows) => windows.repeats('commands', 90_000, 'timeout'),
      (windows) => windows.remembers('commands', HOUR_MS, 'journal'),
      (windows) => windows.remembers('commands', 60_500, 'memory'),
      (windows) => windows.repeats('commands', 1_000, 'quick'),
      (windows) => windows.repeats('others', 7 * HOUR_MS, 'slow'),
    )
    expect(error?.message)
      .to.contain('commands: repetitions may come for 90 s (timeout of plugin-0)')
      .and.contain('recognised for 60500 ms only (memory of plugin-2)')
  })

  it('say nothing where nobody remembers, or nobody repeats', async () => {
    expect(await commands((windows) => windows.repeats('commands', HOUR_MS, 'timeout'))).to.equal(undefined)
    expect(await commands((windows) => windows.remembers('commands', 1, 'journal'))).to.equal(undefined)
    expect(await commands((windows) => windows.keeps('commands', 1, 'journal'))).to.equal(undefined)
  })

  it('are declared before the start: later is refused', async () => {
    let late: Kernel['windows'] | undefined
    const keeping = declaring('late', (windows) => {
      late = windows
    })
    expect(await start([memory(), keeping])).to.equal(undefined)
    const error = await failureOf(SlipstreamError, () => late?.remembers('commands', 1, 'journal'))
    expect(error).to.include({ code: 'SLP_PLUGIN_LATE', plugin: 'late' })
  })

  it('of less than an hour are no option of a store', async () => {
    expect((await start([memory({ rememberIdsHours: 0.5 })]))?.code).to.equal('SLP_PLUGIN_OPTIONS')
  })
})
