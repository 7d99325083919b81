import assert from 'node:assert/strict'
import { DEFAULT_PRIORITY, MAX_PRIORITY } from '../../protocol/fields.ts'
import type { RecipientKey } from '../../store.ts'
import { EVERYTHING, type StoreTrial, type Trying } from '../store-trial.ts'

const URL = 'wss://azure.example'

/** In which lanes deliveries wait, and that keys keep their order whatever the priorities are. */
export const priorityCases: Readonly<Record<string, Trying>> = {
  async 'gives a higher priority before a lower one, within one the oldest first, also when opened again'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    await store(trial, [aws], 'a', 'b 9', 'c 0', 'd', 'e 9', 'f 5', 'g 3')
    const expected = ['b 9', 'e 9', 'f 5', 'a 4', 'd 4', 'g 3', 'c 0']
    assert.deepEqual(await lanes(trial, aws), expected)
    await trial.reopen()
    assert.deepEqual(await lanes(trial, aws), expected)
    assert.equal((await trial.sums('aws')).pending, 7)
  },

  async 'says in which lanes deliveries wait that are not in that of the default priority'(trial) {
    await trial.open()
    const [aws, azure, gcp] = [
      await trial.recipient('aws'),
      await trial.recipient('azure'),
      await trial.recipient('gcp'),
    ]
    await store(trial, [azure], 'low 1 k')
    await store(trial, [gcp], 'default 4 k')
    const message = trial.message({ priority: 9, orderingKey: 'k' })
    const verdict = await trial.writeOne(message, [aws, azure, gcp])
    assert.ok(verdict.status === 'stored')
    assert.deepEqual([...(verdict.lanes ?? [])].sort(), [
      [aws, 9],
      [azure, 1],
    ])
    const plain = await trial.writeOne(trial.message(), [aws, azure])
    assert.deepEqual(Object.keys(plain), ['status', 'seq'])
    assert.deepEqual(await trial.writeOne(message, [aws]), { status: 'duplicate', recipients: 3 })
  },

  async 'never reorders a key: what is newer waits in the lane of what is older, or in a lower one'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    await store(trial, [aws], 'a 4 k', 'b 9 k', 'c 9 other', 'd 0 k')
    await store(trial, [aws], 'e 9 k', 'f 4 k', 'g 9')
    assert.deepEqual(await lanes(trial, aws), ['c 9', 'g 9', 'a 4', 'b 4', 'd 0', 'e 0', 'f 0'])
  },

  async 'frees a key when nothing of it waits in a lower lane any more'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const [a = 0, b = 0] = await store(trial, [aws], 'a 0 k', 'b 2 other')
    await trial.settle({ recipient: aws, seq: a })
    await store(trial, [aws], 'c 9 k', 'd 9 other')
    await trial.die([{ recipient: aws, seq: b }])
    await store(trial, [aws], 'e 9 other')
    assert.deepEqual(await lanes(trial, aws), ['c 9', 'd 2', 'e 2'])
  },

  async 'knows the keys of what waited before anybody gave a priority'(trial) {
    await trial.open()
    const [aws, azure] = [await trial.recipient('aws'), await trial.recipient('azure')]
    const [seq = 0] = await store(trial, [aws, azure], 'a 4 k', 'b 4 other', 'c')
    await trial.reopen()
    await trial.settle({ recipient: azure, seq })
    await store(trial, [aws, azure], 'd 9 k', 'e 9 new')
    assert.deepEqual(await lanes(trial, aws), ['e 9', 'a 4', 'b 4', 'c 4', 'd 4'])
    assert.deepEqual(await lanes(trial, azure), ['d 9', 'e 9', 'b 4', 'c 4'])
  },

  async 'stores the first message with a priority beside an entry that is rejected'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    await store(trial, [aws], 'a 4 k')
    const urgent = { message: trial.message({ messageId: 'urgent', priority: 9 }), recipients: [aws] }
    const same = { message: trial.message({ messageId: 'same', priority: 9, orderingKey: 'k' }), recipients: [aws] }
    const wrong = { message: trial.message({ priority: 9 }), recipients: [aws, aws + 1_000] }
    const verdicts = await trial.batch({ entries: [urgent, wrong, same] })
    assert.deepEqual(
      verdicts.map(({ status }) => status),
      ['stored', 'rejected', 'stored'],
    )
    assert.deepEqual(await lanes(trial, aws), ['urgent 9', 'a 4', 'same 4'])
  },

  async 'lets nothing of a forgotten backlog hold back what is newer'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    await store(trial, [aws], 'a 0 k', 'b 9')
    await trial.store.forgetBacklog(aws)
    await store(trial, [aws], 'c 9 k')
    assert.deepEqual(await lanes(trial, aws), ['c 9'])
  },

  async 'gives of each lane what is behind the place that it is told for it, and as many as fit'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const [a = 0, b = 0, c = 0] = await store(trial, [aws], 'a 9', 'b 4', 'c 0', 'd 0', 'e 4', 'f 9')
    const ids = async (after: Readonly<Record<number, number>>, messages = 100) => {
      const places = Array.from({ length: MAX_PRIORITY + 1 }, (_, lane) => after[lane] ?? 0)
      const found = await trial.store.pending(aws, places, { ...EVERYTHING, messages })
      return found.map(({ message }) => message.messageId).join('')
    }
    assert.equal(await ids({}, 3), 'afb')
    assert.equal(await ids({ 9: a }), 'fbecd')
    assert.equal(await ids({ 9: a, 4: b, 0: c }), 'fed')
    assert.equal(await ids({ 0: c }, 5), 'afbed')
    assert.equal(await ids({ 4: 100, 9: 100 }), 'cd')
    const found = await trial.store.pending(aws, [100], EVERYTHING)
    assert.equal(found.length, 4, 'from the beginning where nothing is said')
  },

  async 'reads single deliveries anew with their lanes, oldest first'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const seqs = await store(trial, [aws], 'a 4', 'b 9', 'c 0')
    const recalled = await trial.store.recall(aws, seqs)
    assert.deepEqual(
      recalled.map(({ lane }) => lane),
      [4, 9, 0],
    )
  },

  async 'revives a dead letter into the lane it died in'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const [urgent = 0, , held = 0] = await store(trial, [aws], 'urgent 9', 'a 1 k', 'held 8 k')
    await trial.die([urgent, held].map((seq) => ({ recipient: aws, seq })))
    await store(trial, [aws], 'b')
    await trial.reopen()
    assert.deepEqual(await revive(trial), ['urgent 9', 'held 1'])
    assert.deepEqual(await lanes(trial, aws), ['urgent 9', 'b 4', 'a 1', 'held 1'])
  },

  async 'revives a dead letter behind the older and before the newer deliveries of its key'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const [low = 0] = await store(trial, [aws], 'low 0 k')
    await trial.die([{ recipient: aws, seq: low }])
    await store(trial, [aws], 'newer 7 k', 'newest 2 k')
    assert.deepEqual(await revive(trial), ['low 7'])
    assert.deepEqual(await lanes(trial, aws), ['low 7', 'newer 7', 'newest 2'])

    const [high = 0] = await store(trial, [aws], 'high 9 other')
    await trial.die([{ recipient: aws, seq: high }])
    await trial.die([{ recipient: aws, seq: low }])
    const [, again = 0] = (await trial.dead()).map(({ id }) => id)
    await store(trial, [aws], 'other 3 other')
    await trial.revive([again])
    assert.deepEqual(await lanes(trial, aws), ['low 7', 'newer 7', 'other 3', 'newest 2'])
    assert.deepEqual(await revive(trial), ['high 9'])
  },

  async 'keeps what is newer behind what was revived, also when opened again in between'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const [seq = 0] = await store(trial, [aws], 'low 0 k')
    await trial.die([{ recipient: aws, seq }])
    await trial.reopen()
    await store(trial, [aws], 'a 4 other')
    await revive(trial)
    await store(trial, [aws], 'b 4 k', 'c 9 k')
    assert.deepEqual(await lanes(trial, aws), ['a 4', 'low 0', 'b 0', 'c 0'])
  },

  async 'revives a dead letter in its place when two names have been united since it died'(trial) {
    await trial.open()
    const [byUrl, byId] = [await trial.recipient(URL, { url: URL }), await trial.recipient('azure')]
    const [, seq = 0] = await store(trial, [byId], 'older 9 k', 'dead 9 k')
    await trial.die([{ recipient: byId, seq }])
    await store(trial, [byUrl], 'newer 9 k')
    await trial.store.renameRecipient(URL, 'azure')
    assert.deepEqual(await revive(trial), ['dead 4'])
    assert.deepEqual(await lanes(trial, byId), ['older 4', 'dead 4', 'newer 4'])
  },

  async 'knows a key again whatever characters it has'(trial) {
    await trial.open()
    const aws = await trial.recipient('aws')
    const keys = ['', ' ', '\u0000', '\u{1f680}', 'half a pair \ud800', 'é'.repeat(500)]
    for (const [at, orderingKey] of keys.entries()) {
      const message = (priority: number) => trial.message({ messageId: `${at}/${priority}`, orderingKey, priority })
      const [low = 0] = await trial.stored([message(1)], [aws])
      await trial.die([{ recipient: aws, seq: low }])
      await trial.stored([message(8), message(9)], [aws])
    }
    await trial.reopen()
    await revive(trial)
    const expected = keys.flatMap((_, at) => [`${at}/1 8`, `${at}/8 8`, `${at}/9 8`])
    assert.deepEqual(await lanes(trial, aws), expected)
  },

  async 'loses priorities and keeps the order when deliveries wait under both names of a recipient'(trial) {
    await trial.open()
    const [byUrl, byId] = [await trial.recipient(URL, { url: URL }), await trial.recipient('azure')]
    await store(trial, [byUrl], 'a 4 k', 'b 9')
    await store(trial, [byId], 'c 9 k', 'd 0')
    await store(trial, [byUrl, byId], 'e 9 new')
    const { key } = await trial.store.renameRecipient(URL, 'azure')
    assert.deepEqual(await lanes(trial, key), ['a 4', 'b 4', 'c 4', 'd 4', 'e 4'])
    await store(trial, [key], 'f 9 k', 'g 9 another')
    assert.deepEqual(await lanes(trial, key), ['g 9', 'a 4', 'b 4', 'c 4', 'd 4', 'e 4', 'f 4'])
  },

  async 'keeps priorities when nothing waits under one of the names, or there is only one'(trial) {
    await trial.open()
    const [byUrl, byId] = [await trial.recipient(URL, { url: URL }), await trial.recipient('azure')]
    await store(trial, [byUrl], 'a 4 k', 'b 9', 'c 9 k')
    const { key } = await trial.store.renameRecipient(URL, 'azure')
    assert.equal(key, byId)
    assert.deepEqual(await lanes(trial, byId), ['b 9', 'a 4', 'c 4'])
    await trial.recipient(URL, { url: URL })
    await trial.store.renameRecipient(URL, 'azure')
    await trial.store.renameRecipient('azure', 'azure-2')
    await store(trial, [byId], 'd 9 k', 'e 9')
    assert.deepEqual(await lanes(trial, byId), ['b 9', 'e 9', 'a 4', 'c 4', 'd 4'])
  },
}

/** Stores messages, each told as its id, its priority and its ordering key, and resolves to their places. */
async function store(trial: StoreTrial, recipients: readonly RecipientKey[], ...told: readonly string[]) {
  const messages = told.map((one) => {
    const [messageId = '', priority = DEFAULT_PRIORITY, orderingKey] = one.split(' ')
    return trial.message({ messageId, priority: Number(priority), ...(orderingKey && { orderingKey }) })
  })
  return trial.stored(messages, recipients)
}

/** What waits for a recipient, in the order in which it is given, and its lanes. */
async function lanes(trial: StoreTrial, recipient: RecipientKey): Promise<readonly string[]> {
  const deliveries = await trial.store.pending(recipient, [], EVERYTHING)
  return deliveries.map(({ lane, message }) => `${message.messageId} ${lane}`)
}

/** Revives all dead letters. */
async function revive(trial: StoreTrial): Promise<readonly string[]> {
  const revived = await trial.revive((await trial.dead()).map(({ id }) => id))
  return revived.map(({ lane, message }) => `${message.messageId} ${lane}`)
}
