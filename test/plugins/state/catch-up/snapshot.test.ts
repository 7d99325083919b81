import { expect } from 'chai'
import { BUCKETS } from '../../../../core/index.ts'
import { Snapshot } from '../../../../plugins/state/catch-up/snapshot.ts'

describe('catch-up: a snapshot', () => {
  it('has the root that every other version and machine gives the same digests', () => {
    const digests = new BigUint64Array(BUCKETS)
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      digests[bucket] = BigInt.asUintN(64, BigInt(bucket) * 0x9e37_79b9_7f4a_7c15n)
    }
    expect(new Snapshot(digests).root).to.equal('SWRG+emBFwm5XPMwxQSEu6')
  })
})
