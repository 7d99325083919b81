import { expect } from 'chai'
import type { Message } from '../../core/index.ts'
import { readStored, toStored } from '../../core/stored-message.ts'
import { StoredReading } from '../../core/stored-reading.ts'
import { messageMaker } from '../../core/testing/index.ts'

const FIELDS: Readonly<Record<keyof Omit<Message, 'raw'>, true>> = {
  type: true,
  messageId: true,
  originInstanceId: true,
  originSequence: true,
  clusterGroupId: true,
  version: true,
  orderingKey: true,
  targetedTags: true,
  targetInstanceId: true,
  expiresAt: true,
  scheduledFor: true,
  priority: true,
  path: true,
  text: true,
  fingerprint: true,
  body: true,
}

describe('a stored message that is read piece by piece', () => {
  const make = messageMaker()
  const message = make({
    ...{ version: '1767225600000-00001-a', orderingKey: 'k', expiresAt: 7, clusterGroupId: 'pair' },
    ...{ targetedTags: ['eu'], targetInstanceId: 'aws-1', path: ['shop', 'origin'] },
    ...{ key: 'k', value: '{ "total": 9007199254740993, "value": 1.10 }' },
  })

  for (const one of [message, make()]) {
    it(`says of ${one.messageId} what reading all of it says`, () => {
      const stored = toStored(one, 1, 0)
      const [reading, whole] = [new StoredReading(stored), readStored(stored)]
      for (const name of Object.keys(FIELDS) as (keyof typeof FIELDS)[]) {
        expect(reading[name], name).to.deep.equal(whole[name])
      }
      for (const name of ['key', 'value', 'type', 'none']) expect(reading.raw(name)).to.equal(whole.raw(name))
      expect(Object.isFrozen(reading)).to.equal(true)
    })
  }

  it('finds what is written with escapes', () => {
    const stored = toStored(message, 1, 0)
    const text = stored.text.replace('targetedTags', '\\u0074argetedTags')
    expect(new StoredReading({ ...stored, text }).targetedTags).to.deep.equal(['eu'])
  })

  it('gives the text of a member also when that is all that was taken of it', () => {
    const { raw } = new StoredReading(toStored(message, 1, 0))
    expect(raw('value')).to.equal('{ "total": 9007199254740993, "value": 1.10 }')
  })
})
