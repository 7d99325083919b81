import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { connect } from '../../../core/client/node.ts'
import { MemoryState } from '../../../plugins/state/memory.ts'
import { keeping, type RunningBus, startBus } from '../../support/bus.ts'
import { eventually } from '../../support/client.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))

describe('the page of the client', function () {
  this.timeout(30_000)
  let folder: string
  let bus: RunningBus

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'slipstream-client-page-'))
    await mkdir(join(folder, 'node_modules'))
    await symlink(root, join(folder, 'node_modules', 'slipstream'))
    await writeFile(join(folder, 'package.json'), '{"type":"module"}')
    bus = await startBus({ plugins: [keeping(new MemoryState())], settings: { tags: ['eu'] } })
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  /** Runs the example that stands first under that heading, against the bus of this test. */
  async function run(heading: string): Promise<{ readonly child: ChildProcess; readonly output: Promise<string> }> {
    const page = await readFile(join(root, 'core/client/README.md'), 'utf8')
    const section = page.split(/^##? /m).find((part) => part.startsWith(heading)) ?? ''
    const code = /^```ts\n(.*?)^```/ms.exec(section)?.[1] ?? ''
    const file = join(folder, 'example.ts')
    await writeFile(file, code.replaceAll(/ws:\/\/127\.0\.0\.1:70[0-9]{2}/g, bus.url))
    const child = spawn(process.execPath, ['--import', 'tsx', file], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let text = ''
    child.stdout?.on('data', (chunk) => {
      text += chunk
    })
    return { child, output: once(child, 'exit').then(() => text) }
  }

  it('begins with an example that publishes and reads', async () => {
    const { output } = await run('The client')
    expect(await output).to.match(/^[0-9a-f-]{36} stored [0-9]{13}-[0-9]{5}-shop-1 \{ total: 10.5 \}\n$/)
  })

  it('shows a loop that handles each message, and ends', async () => {
    const { output } = await run('Subscribing')
    await eventually(() => bus.bus.recipients().some(({ name, connected }) => name === 'ledger-1' && connected), 20_000)
    const office = connect(bus.url)
    await office.set('order:1', 9007199254740993n)
    await office.delete('order:1')
    await office.set('order:last', 'end')
    await office.close()
    expect(await output).to.equal('order:1 9007199254740992 9007199254740993\ngone order:1\norder:last end "end"\n')
  })
})
