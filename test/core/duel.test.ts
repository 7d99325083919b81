import { expect } from 'chai'
import { CloseCode } from '../../core/index.ts'
import { eventually } from '../support/client.ts'
import { type MemoryConnection, MemoryNetwork } from '../support/memory-pair.ts'
import { settle } from './manual-runtime.ts'
import { instance, linked, openEnds } from './mesh-support.ts'

describe('two instances that dial each other', () => {
  for (const first of ['a', 'b']) {
    it(`keep the same link, the one that the smaller id dialled, when ${first} comes first`, async () => {
      const network = new MemoryNetwork()
      const peerOf: Record<string, string> = { a: 'b', b: 'a' }
      const second = peerOf[first] as string
      const one = await instance(network, first, { peers: [second] })
      const other = await instance(network, second, { peers: [first] })
      await eventually(() => linked(one, second) && linked(other, first))
      await eventually(() => openEnds(network).length === 2 && diallers(network).join() === 'a')
      expect(one.links()).to.have.length(1)
      expect(other.links()).to.have.length(1)
    })
  }

  it('settle when both connect at the same time, and stay settled', async () => {
    const network = new MemoryNetwork()
    const [a, b] = await Promise.all([
      instance(network, 'a', { peers: ['b'] }),
      instance(network, 'b', { peers: ['a'] }),
    ])
    await eventually(() => linked(a, 'b') && linked(b, 'a') && openEnds(network).length === 2)
    expect(diallers(network)).to.deep.equal(['a'])
    const opened = network.ends.length
    for (let turn = 0; turn < 20; turn++) await settle()
    expect(network.ends).to.have.length(opened)
  })

  it('find each other again whichever end dials, after the link is lost', async () => {
    const network = new MemoryNetwork()
    const a = await instance(network, 'a', { peers: ['b'] })
    const b = await instance(network, 'b', { peers: ['a'] })
    await eventually(() => linked(a, 'b') && linked(b, 'a') && openEnds(network).length === 2)
    const before = openEnds(network)
    before[0]?.close(CloseCode.GOING_AWAY, 'test')
    await eventually(() => openEnds(network).length === 2 && !openEnds(network).includes(before[0] as MemoryConnection))
    await eventually(() => linked(a, 'b') && linked(b, 'a'))
    expect([a.links().length, b.links().length]).to.deep.equal([1, 1])
  })
})

/** Names of those who dialled the connections that are open, sorted. */
function diallers({ ends }: MemoryNetwork): string[] {
  const open: string[] = []
  for (let at = 0; at < ends.length; at += 2) {
    const accepted = ends[at + 1] as MemoryConnection
    if (!accepted.ending) open.push(accepted.remote.instanceId ?? '')
  }
  return open.sort()
}
