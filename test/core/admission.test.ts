import { expect } from 'chai'
import { Admission, madeUpFields } from '../../core/admission.ts'
import { HybridClock } from '../../core/hybrid-clock.ts'
import { ProtocolFault } from '../../core/index.ts'
import type { Link } from '../../core/links.ts'
import type { AnyMessageType } from '../../core/message-type.ts'
import { ManualRuntime } from './manual-runtime.ts'
import { client, failureOf, instance, receivedFrom } from './support.ts'

const NOW = 1_700_000_000_000
const STAMP = '1700000000000-00000-here'

const keyed: AnyMessageType = { schema: {}, orderingKey: ({ key }: { key: string }) => key }

interface Given {
  readonly clusterGroupId?: string
  readonly isLate?: (type: string, version: string) => boolean
}

function admission({ clusterGroupId, isLate = () => false }: Given = {}) {
  const runtime = new ManualRuntime(NOW)
  const clock = new HybridClock(runtime, 'here')
  const self = { instanceId: 'here', clusterGroupId, epoch: 'e', lastSequence: 41, clock, runtime, isLate }
  const admits = new Admission(self)
  return {
    clock,
    admit: (sender: Link, message: object | string, type?: AnyMessageType) =>
      admits.admit(receivedFrom(sender, message), type),
  }
}

const relayed = (given: object = {}) => ({
  type: 'SK',
  key: 'k',
  messageId: 'm-1',
  originInstanceId: 'a',
  originSequence: 'e.7',
  ...given,
})

describe('admission of what enters here', () => {
  it('inserts what is missing, behind the members of the publisher', () => {
    const { text } = admission().admit(client(), '{"type":"SK","key":"k","value":1}')
    expect(text).to.equal(
      '{"type":"SK","key":"k","value":1,"messageId":"id-1","originInstanceId":"here","originSequence":"e.42",' +
        `"version":"${STAMP}"}`,
    )
  })

  it('inserts the group of the instance and the ordering key of the type', () => {
    const { text, clusterGroupId, orderingKey } = admission({ clusterGroupId: 'pair' }).admit(
      client(),
      '{"type":"SK","key":"k","messageId":"m"}',
      keyed,
    )
    expect(text).to.equal(
      '{"type":"SK","key":"k","messageId":"m","originInstanceId":"here","originSequence":"e.42",' +
        `"clusterGroupId":"pair","version":"${STAMP}","orderingKey":"k"}`,
    )
    expect({ clusterGroupId, orderingKey }).to.deep.equal({ clusterGroupId: 'pair', orderingKey: 'k' })
  })

  it('refuses a version of the publisher that is too late, and takes no place in the sequence for it', async () => {
    const isLate = (type: string, version: string) => type === 'SK' && version < '1600000000000'
    const { admit } = admission({ isLate })
    const publishing = (given: object) => admit(client(), { type: 'SK', key: 'k', value: 1, ...given })
    const { code } = await failureOf(ProtocolFault, () => publishing({ version: '1500000000000-00000-p' }))
    expect(code).to.equal('STALE')
    expect(publishing({ version: '1600000000000-00000-p' }).originSequence.n).to.equal(42)
    expect(publishing({}).version).to.match(/^1700000000000-/)
    expect(publishing({ version: '1500000000000-00000-p', notBefore: NOW + 1 })).to.include({ version: undefined })
    expect(publishing({ type: 'CALL', version: '1500000000000-00000-p' })).to.include({ type: 'CALL' })
  })

  it('keeps what the publisher gave', () => {
    const given = {
      messageId: 'mine',
      clusterGroupId: 'ours',
      version: '1600000000000-00003-app',
      orderingKey: 'order',
    }
    const admitted = admission({ clusterGroupId: 'pair' }).admit(client(), { type: 'x', ...given })
    expect(admitted).to.include(given)
    expect(JSON.parse(admitted.text)).to.include(given)
    expect(admitted.text.match(/messageId|clusterGroupId|version|orderingKey/g)).to.have.length(4)
  })

  it('replaces the ordering key when the type has one of its own', () => {
    const { text, orderingKey } = admission().admit(client(), { type: 'SK', key: 'k', orderingKey: 'other' }, keyed)
    expect(orderingKey).to.equal('k')
    expect(text.match(/"orderingKey":"[^"]*"/g)).to.deep.equal(['"orderingKey":"k"'])
  })

  it('counts what it lets in, one by one', () => {
    const { admit } = admission()
    const places = [1, 2, 3].map(() => admit(client(), { type: 'SK' }).originSequence)
    expect(places).to.deep.equal([42, 43, 44].map((n) => ({ epoch: 'e', n })))
  })

  it('gives later ones greater versions', () => {
    const { admit } = admission()
    const versions = [1, 2, 3].map(() => admit(client(), { type: 'SK' }).version as string)
    expect(versions).to.deep.equal(versions.slice().sort())
    expect(new Set(versions).size).to.equal(3)
  })

  it('begins the path with the name of the publisher, if it has one', () => {
    expect(admission().admit(client('pi-aws-1'), { type: 'SK' }).path).to.deep.equal(['pi-aws-1'])
    expect(admission().admit(client(), { type: 'SK' }).path).to.deep.equal([])
  })

  for (const value of ['9007199254740993', '1.10', '-0', '1e400', '"\\u0041"', '[ 1 ,2.0 ]', '{"a":1,"a":2}']) {
    it(`keeps the bytes of ${value}`, () => {
      const admitted = admission().admit(client(), `{"type":"SK","key":"k","value":${value}}`, keyed)
      expect(admitted.text).to.contain(`"value":${value},`)
      expect(admitted.raw('value')).to.equal(value)
    })
  }

  it('replaces made-up origin, path and source', () => {
    const madeUp = { originInstanceId: 'x', originSequence: 'x.1', messagePath: ['x', 'here'], sourceInstanceId: 'x' }
    const admitted = admission().admit(client('pi'), { ...madeUp, type: 'SK' })
    expect(admitted).to.deep.include({
      originInstanceId: 'here',
      originSequence: { epoch: 'e', n: 42 },
      path: ['pi'],
    })
    expect(admitted.text).not.to.contain('"x"')
    expect(admitted.text).not.to.match(/messagePath|sourceInstanceId/)
  })

  it('takes what an instance sends that nobody has let in yet', () => {
    const admitted = admission().admit(instance('old'), {
      type: 'SK',
      messagePath: ['app', 'old'],
      originInstanceId: 'old',
    })
    expect(admitted).to.deep.include({ originInstanceId: 'here', originSequence: { epoch: 'e', n: 42 }, path: ['old'] })
  })

  it('hands on a frozen message', () => {
    const admitted = admission().admit(client(), { type: 'SK', value: { deep: [1] } })
    expect(admitted).to.satisfy(Object.isFrozen)
    const { value } = admitted.body as { value: { deep: number[] } }
    expect(() => value.deep.push(2)).to.throw(TypeError)
  })
})

describe('admission of what another instance let in', () => {
  it('keeps the text to the byte, but for the hop fields', () => {
    const own =
      '"type":"SK", "messageId":"m-1","originInstanceId":"a","originSequence":"e.7","value":[9007199254740993,1.10,"\\u0041"]'
    const { text } = admission({ clusterGroupId: 'pair' }).admit(
      instance('b'),
      `{"sourceInstanceId":"b","messagePath":["a","b"],${own}}`,
      keyed,
    )
    expect(text).to.equal(`{${own}}`)
  })

  it('reads envelope and path from it', () => {
    const given = { clusterGroupId: 'g', version: '1700000000001-00000-a', orderingKey: 'k', targetedTags: ['t'] }
    const admitted = admission().admit(instance('b'), relayed({ ...given, messagePath: ['app', 'a', 'b'] }))
    expect(admitted).to.deep.include({ ...given, originSequence: { epoch: 'e', n: 7 }, path: ['app', 'a', 'b'] })
  })

  it('adds the one who sent it to the path, when it does not stand there', () => {
    expect(admission().admit(instance('b'), relayed({ messagePath: ['a'] })).path).to.deep.equal(['a', 'b'])
    expect(admission().admit(instance('b'), relayed()).path).to.deep.equal(['b'])
  })

  it('lets its clock follow', () => {
    const { admit, clock } = admission()
    admit(instance('b'), relayed({ version: '1700000000500-00009-a' }))
    expect(clock.stamp()).to.equal('1700000000500-00010-here')
  })

  it('refuses a path of sixteen, and takes one of fifteen', async () => {
    const path = (length: number) => Array.from({ length }, (_, at) => (at === length - 1 ? 'b' : `n-${at}`))
    expect(admission().admit(instance('b'), relayed({ messagePath: path(15) })).path).to.have.length(15)
    const long = () => admission().admit(instance('b'), relayed({ messagePath: path(16) }))
    expect((await failureOf(ProtocolFault, long)).code).to.equal('HOP_LIMIT')
  })

  const wrong: [string, object][] = [
    ['no place in the sequence', { originSequence: 'e' }],
    ['a place of nought', { originSequence: 'e.0' }],
    ['a place that begins with nought', { originSequence: 'e.01' }],
    ['a negative place', { originSequence: 'e.-1' }],
    ['a place beyond exact numbers', { originSequence: `e.${'9'.repeat(16)}` }],
    ['a place that is no string', { originSequence: 7 }],
    ['no epoch', { originSequence: '.7' }],
    ['no id', { messageId: undefined }],
    ['an id with a space', { messageId: 'a b' }],
    ['no origin', { originInstanceId: undefined }],
    ['an origin with a quote', { originInstanceId: 'a"b' }],
    ['a path that is no list', { messagePath: 'a' }],
    ['a path with something other than ids', { messagePath: ['a', '"'] }],
    ['a path with a number', { messagePath: [1] }],
  ]
  for (const [what, given] of wrong) {
    it(`refuses ${what}`, async () => {
      const fault = await failureOf(ProtocolFault, () => admission().admit(instance('b'), relayed(given)))
      expect(fault.code).to.equal('INVALID_MESSAGE')
    })
  }
})

describe('made-up fields', () => {
  const all = { originInstanceId: 'x', originSequence: 'x.1', messagePath: ['x'], sourceInstanceId: 'x' }

  it('are all that a stranger says of the way of its message', () => {
    const expected = ['messagePath', 'originInstanceId', 'originSequence', 'sourceInstanceId']
    expect([...madeUpFields(receivedFrom(client(), { type: 'SK', ...all }))].sort()).to.deep.equal(expected)
  })

  it('are not what a named client says of itself', () => {
    const own = { type: 'SK', sourceInstanceId: 'pi', messagePath: ['pi'], originInstanceId: 'pi' }
    expect(madeUpFields(receivedFrom(client('pi'), own))).to.deep.equal([])
  })

  it('are not what an instance hands on', () => {
    expect(madeUpFields(receivedFrom(instance('b'), relayed(all)))).to.deep.equal([])
  })
})
