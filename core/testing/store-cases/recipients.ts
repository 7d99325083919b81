import assert from 'node:assert/strict'
import { START, type Trying } from '../store-trial.ts'

const URL = 'wss://azure.example'
const AZURE = { name: 'azure', role: 'instance', tags: ['eu'], clusterGroupId: undefined } as const

/** Remembering, renaming and forgetting recipients. */
export const recipientCases: Readonly<Record<string, Trying>> = {
  async 'keeps the key of a recipient, and takes note of what is new about it'(trial) {
    await trial.open()
    const key = await trial.recipient('azure', { tags: ['old'] })
    const other = await trial.recipient('gcp')
    assert.notEqual(other, key)
    assert.equal(await trial.recipient('azure', { tags: ['new'], clusterGroupId: 'eu', url: URL }), key)
    const { recipients } = await trial.reopen()
    const azure = recipients.find(({ name }) => name === 'azure')
    assert.deepEqual(azure, {
      name: 'azure',
      role: 'instance',
      tags: ['new'],
      clusterGroupId: 'eu',
      url: URL,
      lastSeenAt: START,
      key,
      pending: 0,
    })
    assert.equal(await trial.recipient('azure'), key)
  },

  async 'keeps what a recipient wants to get, until it is saved without'(trial) {
    const subscription = { types: ['SK', 'fx.rate'], keys: ['card/', 'a "key" \u{1f680}'], tags: ['eu'] }
    await trial.open()
    const key = await trial.recipient('pi-1', { role: 'client', subscription })
    await trial.store.noteSeen([key], START + 1)
    const wanted = async () => (await trial.reopen()).recipients.map((recipient) => recipient.subscription)
    assert.deepEqual(await wanted(), [subscription])
    await trial.recipient('pi-1', { role: 'client', subscription: { types: [], keys: ['b/'], tags: [] } })
    assert.deepEqual(await wanted(), [{ types: [], keys: ['b/'], tags: [] }])
    assert.equal(await trial.recipient('pi-1', { role: 'client' }), key)
    assert.deepEqual(await wanted(), [undefined])
  },

  async 'lets what waited for a URL wait for the id behind it'(trial) {
    await trial.open()
    const key = await trial.recipient(URL, { url: URL, tags: ['eu'] })
    await trial.stored([trial.message({ messageId: 'waiting' })], [key])
    assert.deepEqual(await trial.store.renameRecipient(URL, 'azure'), { key, pending: 1 })
    const { recipients } = await trial.reopen()
    assert.deepEqual(recipients, [{ ...AZURE, url: URL, lastSeenAt: START, key, pending: 1 }])
    assert.deepEqual(await trial.waiting(key), ['waiting'])
  },

  async 'unites what waited under both names, each message once, oldest first'(trial) {
    await trial.open()
    const [byUrl, byId] = [await trial.recipient(URL, { url: URL }), await trial.recipient('azure', { tags: ['eu'] })]
    await trial.stored([trial.message({ messageId: 'a' })], [byUrl])
    await trial.stored([trial.message({ messageId: 'b' })], [byId])
    await trial.stored([trial.message({ messageId: 'c' })], [byUrl, byId])
    await trial.stored([trial.message({ messageId: 'd' })], [byUrl])
    const { key, pending } = await trial.store.renameRecipient(URL, 'azure')
    assert.equal(pending, 4)
    assert.deepEqual(await trial.waiting(key), ['a', 'b', 'c', 'd'])
    assert.equal(trial.store.statistics().pending, 4)
    const { recipients } = await trial.reopen()
    assert.deepEqual(recipients, [{ ...AZURE, url: URL, lastSeenAt: START, key, pending: 4 }])
  },

  async 'settles deliveries of messages that have passed the new name'(trial) {
    await trial.open()
    const key = await trial.recipient(URL, { url: URL })
    const passed = (messageId: string, ...path: string[]) => trial.message({ messageId, path })
    const messages = [passed('its own', 'azure'), passed('through it', 'aws', 'azure', 'gcp'), passed('new', 'azure-2')]
    await trial.stored(messages, [key])
    assert.deepEqual(await trial.store.renameRecipient(URL, 'azure'), { key, pending: 1 })
    assert.deepEqual(await trial.waiting(key), ['new'])
    assert.equal(trial.store.statistics().pending, 1)
  },

  async 'renames a second time without harm, and refuses a name it does not know'(trial) {
    await trial.open()
    const key = await trial.recipient(URL, { url: URL })
    await trial.stored([trial.message()], [key])
    await trial.store.renameRecipient(URL, 'azure')
    assert.deepEqual(await trial.store.renameRecipient(URL, 'azure'), { key, pending: 1 })
    await assert.rejects(trial.store.renameRecipient('nobody', 'somebody'), { code: 'SLP_RECIPIENT_UNKNOWN' })
  },

  async 'forgets a recipient with what waits for it, and never gives its key again'(trial) {
    await trial.open()
    const [aws, azure] = [await trial.recipient('aws'), await trial.recipient('azure')]
    await trial.stored([trial.message(), trial.message()], [aws, azure])
    await trial.store.forgetRecipient(azure)
    await trial.store.forgetRecipient(azure)
    assert.deepEqual(await trial.waiting(azure), [])
    assert.equal(trial.store.statistics().pending, 2)
    assert.notEqual(await trial.recipient('azure'), azure)
    const { recipients } = await trial.reopen()
    assert.deepEqual(Object.fromEntries(recipients.map(({ name, pending }) => [name, pending])), { aws: 2, azure: 0 })
  },
}
