import { appendFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { redis, SlipstreamDeduplicator, sqlite } from '../../plugins/dedup/index.ts'
import { Random } from '../simulation/random.ts'
import { RedisServer } from '../support/redis.ts'
import { requireService } from '../support/services.ts'
import { REPOSITORY } from './support/instance.ts'
import type { Note, ReceiverOrder } from './support/receiver.ts'
import { type Child, Stage } from './support/stage.ts'
import { until } from './support/until.ts'

const MESSAGES = Number(process.env.SLIPSTREAM_DEDUP_MESSAGES ?? 300)
const KILLS = Number(process.env.SLIPSTREAM_DEDUP_KILLS ?? 6)
const SEED = Number(process.env.SLIPSTREAM_DEDUP_SEED ?? Math.floor(Math.random() * 2 ** 31))
const PROCESSES = 4
const LEASE_MS = 1_500
const RECEIVER = fileURLToPath(new URL('support/receiver.ts', import.meta.url))

describe(`${PROCESSES} processes that handle the same messages and are killed at random`, function () {
  this.timeout(60_000 + KILLS * 5_000 + MESSAGES * 50)

  let stage: Stage
  let server: RedisServer | undefined

  beforeEach(async () => {
    stage = await Stage.open()
  })

  afterEach(async () => {
    await stage.close()
    await server?.stop()
    server = undefined
  })

  const title = `handle each once, but for what a kill cut off: ${KILLS} kills amid ${MESSAGES} messages, seed ${SEED}`

  it(`over one SQLite file, ${title}`, async () => {
    const path = join(stage.folder, 'dedup.db')
    await run(stage, { sqlite: path })
    await expectConfirmed(new SlipstreamDeduplicator({ backend: sqlite({ path }) }))
  })

  it(`over one Redis that is killed as well, ${title}`, async function () {
    server = await RedisServer.start(requireService(this, 'redis-server'))
    const { url } = server
    await run(stage, { redis: url }, server)
    await expectConfirmed(new SlipstreamDeduplicator({ backend: redis({ url }) }))
  })
})

async function run(stage: Stage, backend: ReceiverOrder['backend'], server?: RedisServer): Promise<void> {
  const random = new Random(SEED)
  const notes = new Notes(join(stage.folder, 'notes'))
  const start = (): Child => {
    const order: ReceiverOrder = {
      ...{ backend, leaseMs: LEASE_MS, messages: MESSAGES, notes: notes.path },
      seed: random.integer(0, 2 ** 31),
    }
    const args = ['--import', 'tsx', RECEIVER, JSON.stringify(order)]
    return stage.spawn(process.execPath, args, { cwd: REPOSITORY })
  }
  const processes = Array.from({ length: PROCESSES }, start)
  for (let kill = 0; kill < KILLS; kill++) {
    const due = ((kill + random.next()) * MESSAGES) / (KILLS + 1)
    await until(`kill ${kill + 1} is due`, () => notes.of('confirmed').length >= due)
    const victim = random.integer(0, PROCESSES - 1)
    expect(await processes[victim]?.end('SIGKILL')).to.include({ signal: 'SIGKILL' })
    processes[victim] = start()
    if (kill === Math.floor(KILLS / 2)) {
      await server?.kill()
      await server?.restart()
    }
  }
  for (const child of processes) expect((await child.ended).code, child.output).to.equal(0)
  expectOnce(notes)
}

/** Each message is handled, is confirmed once at most, and again only where the first time could not be confirmed. */
function expectOnce(notes: Notes): void {
  const [claimed, handled, confirmed] = [notes.of('claimed'), notes.of('handled'), notes.of('confirmed')]
  expect(new Set(handled.map(({ messageId }) => messageId)).size, 'handled').to.equal(MESSAGES)
  expect(new Set(confirmed.map(({ messageId }) => messageId)).size, 'confirmed once').to.equal(confirmed.length)
  expect(confirmed.length, 'confirmed').to.be.within(MESSAGES - KILLS, MESSAGES)
  const cutOff = KILLS + notes.of('unconfirmed').length
  expect(handled.length - MESSAGES, 'handled again').to.be.within(0, cutOff)
  const tokens = new Set(claimed.map(({ messageId, token }) => `${messageId} ${token}`))
  expect(tokens.size, 'tokens').to.equal(claimed.length)
}

async function expectConfirmed(dedup: SlipstreamDeduplicator): Promise<void> {
  try {
    for (let n = 0; n < MESSAGES; n++) {
      const message = { messageId: `m-${n}`, clusterGroupId: 'eu' }
      expect(await dedup.isDuplicate(message), message.messageId).to.equal(true)
    }
  } finally {
    await dedup.close()
  }
}

/** What the processes noted so far. */
class Notes {
  readonly path: string

  constructor(path: string) {
    this.path = path
    appendFileSync(path, '')
  }

  of(wanted: Note['what']): readonly Note[] {
    const lines = readFileSync(this.path, 'utf8').split('\n').slice(0, -1)
    return lines.map((line) => JSON.parse(line) as Note).filter(({ what }) => what === wanted)
  }
}
