import { readFile, writeFile } from 'node:fs/promises'
import Database from 'better-sqlite3'
import { expect } from 'chai'
import { closeClients, connect, nextMessage, noMessage } from '../support/client.ts'
import { Instance } from './support/instance.ts'
import { Stage } from './support/stage.ts'

const IDS = ['first', 'second', 'third']
/** What it may take to start a process and send what waits, on a busy machine. */
const WATCH_MS = 1_000

describe('an instance whose disk has flipped a bit', function () {
  this.timeout(60_000)

  let stage: Stage
  let instance: Instance

  beforeEach(async () => {
    stage = await Stage.open()
    instance = await Instance.create(stage, 'aws')
    // The state would be a second copy of each value in the file.
    const text = JSON.stringify(instance.asConfig({ plugins: [['standard', { sqliteState: false }]] }))
    await instance.tell({ file: { name: 'slipstream.config.json', text } })
    await instance.start()
    await (await connect(instance, { name: 'app' })).close()
    const publisher = await connect(instance)
    for (const messageId of IDS) {
      const answer = await publisher.publish({ type: 'SK', messageId, key: 'k', value: `value of ${messageId}` })
      expect(answer).to.include({ type: 'ACK', recipients: 1 })
    }
    expect(await instance.end('SIGTERM')).to.include({ code: 0 })
  })

  afterEach(async () => {
    await closeClients()
    await stage.close()
  })

  it('in a message never delivers that one, delivers all others, and says which one it was', async () => {
    await flipBit(instance, (bytes) => bytes.indexOf('value of second'))
    await instance.start()
    const back = await connect(instance, { name: 'app' })
    const ids = [(await nextMessage(back)).body.messageId, (await nextMessage(back)).body.messageId]
    expect(ids).to.deep.equal(['first', 'third'])
    await noMessage(back, WATCH_MS)
    const { total, items } = await deadLetters(instance)
    expect(total).to.equal(1)
    expect(items[0]).to.include({ messageId: 'second', recipient: 'app', reason: 'INTEGRITY' })
    expect(await metrics(instance)).to.match(/^slipstream_store_corrupt_rows 1$/m)
  })

  it('in the structure of its file acknowledges nothing more, and ends with 70', async () => {
    const page = rootPageOf('message', instance)
    await flipBit(instance, () => page)
    const child = instance.spawn()
    expect(await child.ended).to.deep.equal({ code: 70, signal: null })
    expect(child.output).to.include('SLP_STORE_LOST')
  })
})

/** Flips one bit of the file of an instance that does not run. */
async function flipBit({ storagePath }: Instance, place: (bytes: Buffer) => number): Promise<void> {
  const bytes = await readFile(storagePath)
  const offset = place(bytes)
  expect(offset, 'where the bit is').to.be.at.least(0)
  bytes.writeUInt8(bytes.readUInt8(offset) ^ 1, offset)
  await writeFile(storagePath, bytes)
}

/** Where the page begins in which the tree of a table has its root. */
function rootPageOf(table: string, { storagePath }: Instance): number {
  const database = new Database(storagePath, { readonly: true })
  try {
    const root = database.prepare('SELECT rootpage FROM sqlite_schema WHERE name = ?').pluck().get(table)
    return (Number(root) - 1) * Number(database.pragma('page_size', { simple: true }))
  } finally {
    database.close()
  }
}

interface Letters {
  readonly total: number
  readonly items: readonly object[]
}

async function deadLetters({ adminUrl }: Instance): Promise<Letters> {
  return (await (await fetch(`${adminUrl}/api/v1/dead-letters`)).json()) as Letters
}

async function metrics({ adminUrl }: Instance): Promise<string> {
  return (await fetch(`${adminUrl}/metrics`)).text()
}
