import { expect } from 'chai'
import { digestOf, isForSome, join, NO_DIGEST, publicPart, type StateEntry, weightsOf } from '../../../core/index.ts'
import { versionOf, versionOfBoth } from '../../../core/state/audience.ts'
import { at, value } from '../../../core/testing/state-trial.ts'
import { message } from '../support.ts'

const some = (n: number) => `${at(n)}@`

describe('what was written for some instances only', () => {
  it('is told by its version', () => {
    const version = at(1)
    expect(versionOf(message({ version }))).to.equal(version)
    expect(versionOf(message({ version, targetedTags: ['eu'] }))).to.equal(some(1))
    expect(versionOf(message({ version, targetInstanceId: 'a' }))).to.equal(some(1))
    expect([isForSome(at(1)), isForSome(some(1))]).to.deep.equal([false, true])
  })

  it('counts by its stamp', () => {
    const [older, newer] = [{ ...value('k', 1), version: some(1) }, value('k', 2)]
    expect(join(older, newer, () => undefined).entry).to.equal(newer)
    expect(join(newer, { ...older, version: some(3) }, () => undefined).entry.version).to.equal(some(3))
  })

  it('marks the text that it went into', () => {
    expect(versionOfBoth(some(1), at(2))).to.equal(some(2))
    expect(versionOfBoth(at(2), some(1))).to.equal(some(2))
    expect(versionOfBoth(at(2), at(1))).to.equal(at(2))
  })

  it('counts in no digest and is no part of what is given to others', () => {
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
})
