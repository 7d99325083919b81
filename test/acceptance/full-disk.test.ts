import { spawnSync } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Context } from 'mocha'
import { answers, type Client, closeClients, connect } from '../support/client.ts'
import { skip } from '../support/services.ts'
import { Instance } from './support/instance.ts'
import { Stage } from './support/stage.ts'
import { storedIds } from './support/stored.ts'
import { until } from './support/until.ts'

const DISK_MIB = 12
const BALLAST_MIB = 4
/** How long an answer may take, from an instance that gives one. */
const SILENCE_MS = 1_000
const VALUE = 'x'.repeat(8_192)

describe('an instance on a disk that fills', function () {
  this.timeout(60_000)

  let stage: Stage
  let instance: Instance
  let ballast: string

  beforeEach(async function () {
    stage = await Stage.open()
    instance = await Instance.create(stage, 'aws')
    mountSmallDisk(this, instance.folder)
    ballast = join(instance.folder, 'ballast')
    await writeFile(ballast, Buffer.alloc(BALLAST_MIB * 2 ** 20))
    await instance.tell({ environment: instance.asEnvironment() })
    await instance.start()
  })

  afterEach(async () => {
    await closeClients()
    if (instance.running) await instance.end('SIGKILL')
    spawnSync('umount', [instance.folder])
    await stage.close()
  })

  it('refuses publishers with STORE_UNAVAILABLE, is not ready, and goes on without a restart when there is room', async () => {
    const publisher = await connect(instance)
    const acknowledged = await publishUntilRefused(publisher)
    expect(await instance.readiness()).to.equal(503)
    await rm(ballast)
    await until('it takes messages again', async () => {
      publisher.send({ type: 'SK', messageId: 'after', key: 'k', value: 1 })
      return (await publisher.next(answers('after'))).body.type === 'ACK'
    })
    // What could not be applied meanwhile is tried again after the retry delay.
    await until('it is ready again', async () => (await instance.readiness()) === 200)
    expect(await instance.end('SIGTERM')).to.deep.equal({ code: 0, signal: null })
    expect([...(await storedIds(stage, instance))]).to.include.members([...acknowledged, 'after'])
  })
})

/** Publishes two by two; resolves to the ids that were acknowledged before the first refusal. */
async function publishUntilRefused(publisher: Client): Promise<string[]> {
  const acknowledged: string[] = []
  for (let count = 0; count < 5_000; count++) {
    const ids = [`m-${count}-a`, `m-${count}-b`]
    for (const messageId of ids) publisher.send({ type: 'SK', messageId, key: 'k', value: VALUE })
    // A group that does not fit is met with silence; of the two after it one is tried, and the other one is refused.
    const answer = await publisher
      .next(({ messageId }) => ids.includes(String(messageId)), SILENCE_MS)
      .catch(() => null)
    if (answer?.body.code === 'STORE_UNAVAILABLE') return acknowledged
    if (answer) acknowledged.push(String(answer.body.messageId))
  }
  throw new Error('the disk did not fill')
}

function mountSmallDisk(context: Context, folder: string): void {
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'tmpfs', folder])
  if (status !== 0) skip(context, 'a small disk cannot be mounted')
}
