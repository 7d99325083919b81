import { expect } from 'chai'
import {
  digestOf,
  isForBearer,
  isForSome,
  join,
  NO_DIGEST,
  partOf,
  publicPart,
  type StateEntry,
  stampOf,
  weightsOf,
} from '../../../core/index.ts'
import { versionOf, versionOfBoth } from '../../../core/state/audience.ts'
import { at, value } from '../../../core/testing/state-trial.ts'
import { message } from '../support.ts'

const EU = '@["","eu"]'
const US = '@["","us"]'
const some = (n: number, mark = EU) => `${at(n)}${mark}`
const eu = { instanceId: 'a', tags: ['eu', 'test'] }
const us = { instanceId: 'b', tags: ['us'] }

describe('what was written for some instances only', () => {
  it('is told by its version', () => {
    const version = at(1)
    expect(versionOf(message({ version }))).to.equal(version)
    expect(versionOf(message({ version, targetedTags: ['eu'] }))).to.equal(some(1))
    expect(versionOf(message({ version, targetInstanceId: 'a' }))).to.equal(some(1, '@["a"]'))
    expect([isForSome(at(1)), isForSome(some(1))]).to.deep.equal([false, true])
    expect([stampOf(version), stampOf(some(1))]).to.deep.equal([version, version])
  })

  it('has one version, in whatever order its tags were named, without a space', () => {
    const named = (...targetedTags: string[]) => versionOf(message({ version: at(1), targetedTags }))
    expect(named('us', 'eu west', 'us')).to.equal(named('eu west', 'us'))
    expect(named('eu west')).to.equal(some(1, '@["","eu\\u0020west"]'))
    expect(isForBearer(named('eu west'), { instanceId: 'a', tags: ['eu west'] })).to.equal(true)
  })

  it('is for whoever bears one of its tags, and is the instance that it names', () => {
    const isFor = (mark: string) => [isForBearer(at(1) + mark, eu), isForBearer(at(1) + mark, us)]
    expect(isFor(EU)).to.deep.equal([true, false])
    expect(isFor('@["","eu","us"]')).to.deep.equal([true, true])
    expect(isFor('@["b"]')).to.deep.equal([false, true])
    expect(isFor('@["b","eu"]')).to.deep.equal([false, false])
    for (const nobody of ['@', '@[]', '@{}', '@[1]', '@nobody']) expect(isFor(nobody)).to.deep.equal([false, false])
  })

  it('counts by its stamp', () => {
    const [older, newer] = [{ ...value('k', 1), version: some(1) }, value('k', 2)]
    expect(join(older, newer, () => undefined).entry).to.equal(newer)
    expect(join(newer, { ...older, version: some(3) }, () => undefined).entry.version).to.equal(some(3))
  })

  it('marks the text that it went into; two that are for different ones are for nobody', () => {
    expect(versionOfBoth(some(1), at(2))).to.equal(some(2))
    expect(versionOfBoth(at(2), some(1))).to.equal(some(2))
    expect(versionOfBoth(at(2), at(1))).to.equal(at(2))
    expect(versionOfBoth(some(2), some(1))).to.equal(some(2))
    expect(versionOfBoth(some(2), some(1, US))).to.equal(some(2, '@'))
    expect(versionOfBoth(some(2, '@'), some(1, US))).to.equal(some(2, '@'))
  })

  it('counts in no digest and is no part of what is given to everybody', () => {
    const whole = { ...value('k', 1), version: some(1) }
    expect([digestOf(whole), publicPart(whole)]).to.deep.equal([NO_DIGEST, undefined])
    const open = { member: 'a', weight: '1', version: at(2) }
    const members = [open, { member: 'b', weight: '2', version: some(3) }]
    const mixed = weightsOf('keys', 'k', members, some(1)) as StateEntry
    const shown = weightsOf('keys', 'k', [open]) as StateEntry
    expect(publicPart(mixed)).to.deep.equal(shown)
    expect(digestOf(mixed)).to.deep.equal(digestOf(shown))
    expect(publicPart(shown)).to.equal(shown)
  })

  it('is a part that two may share', () => {
    const members = [
      { member: 'a', weight: '1', version: at(2) },
      { member: 'b', weight: '2', version: some(3) },
      { member: 'c', weight: '3', version: some(4, US) },
    ]
    const mixed = weightsOf('keys', 'k', members, at(1)) as StateEntry
    const part = partOf(mixed, (version) => isForBearer(version, eu))
    expect(part).to.deep.equal(weightsOf('keys', 'k', members.slice(1, 2)))
    expect(partOf(part as StateEntry, (version) => isForBearer(version, eu))).to.equal(part)
    expect(partOf(value('k', 1), (version) => isForBearer(version, eu))).to.equal(undefined)
  })
})
