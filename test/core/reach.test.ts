import { expect } from 'chai'
import { reachable } from '../../core/reach.ts'
import type { Recipient } from '../../core/recipient.ts'

const one = (
  name: string,
  hops: Readonly<Record<string, number | undefined>>,
  role: Recipient['role'] = 'instance',
) => {
  const told = Object.entries(hops).flatMap(([tag, links]) => (links === undefined ? [] : [[tag, links] as const]))
  return { name, role, tags: new Set(Object.keys(hops)), hops: new Map(told) } as unknown as Recipient
}

const reach = (own: readonly string[], recipients: readonly Recipient[], except?: string) => [
  ...reachable(own, recipients, except),
]

describe('what is reachable', () => {
  it('lies one link further away than the nearest one tells, and what is its own lies nowhere else', () => {
    const others = [one('b', { aws: 3, gcp: 2, jp: 0 }), one('c', { gcp: 5, jp: 1 })]
    expect(reach(['aws', 'eu'], others)).to.deep.equal([
      ['aws', 0],
      ['eu', 0],
      ['gcp', 3],
      ['jp', 1],
    ])
  })

  it('is one link away where nobody tells how far', () => {
    expect(reach([], [one('plain', { old: undefined }), one('app', { app: undefined }, 'client')])).to.deep.equal([
      ['app', 1],
      ['old', 1],
    ])
  })

  it('does not lead back to the one who asks, nor through oneself', () => {
    expect(reach(['own'], [one('b', { b: 0 }), one('@self', { own: 0 }, 'self')], 'b')).to.deep.equal([['own', 0]])
  })

  it('ends 16 links away', () => {
    expect(reach([], [one('b', { near: 14, far: 15, beyond: 16 })])).to.deep.equal([['near', 15]])
  })
})
