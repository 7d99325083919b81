import { expect } from 'chai'
import { type Applied, type Plugin, SHARED_SPACE, type StateEntry } from '../../../core/index.ts'
import { MemoryState } from '../../../plugins/state/memory.ts'
import { keeping, startBus } from '../../support/bus.ts'
import { type Client, connect, eventually } from '../../support/client.ts'

const at = (n: number) => `${String(1_767_225_600_000 + n)}-00000-a`

describe('the messages of state', () => {
  let state: MemoryState
  let publisher: Client
  let applied: Applied[]
  let published: number

  beforeEach(async () => {
    state = new MemoryState()
    applied = []
    published = 0
    const watching: Plugin = {
      name: 'watching',
      apply: (kernel) => kernel.hooks.applied.tap((one) => void applied.push(one)),
    }
    publisher = await connect(await startBus({ plugins: [keeping(state), watching] }))
  })

  async function answerTo(messageId: string, text: string) {
    publisher.send(`{"messageId":"${messageId}",${text.slice(1)}`)
    const { body } = await publisher.next((answer) => answer.messageId === messageId)
    return body
  }

  /** Publishes the frames one after the other, and waits until all of them are applied. */
  async function publish(...frames: readonly (object | string)[]): Promise<void> {
    for (const frame of frames) {
      const text = typeof frame === 'string' ? frame : JSON.stringify(frame)
      expect(await answerTo(`m-${++published}`, text)).to.include({ type: 'ACK', status: 'stored', recipients: 1 })
    }
    await eventually(() => applied.flatMap(({ messages }) => messages).length === published)
  }

  async function refused(frame: string): Promise<string> {
    const answer = await answerTo('m-refused', frame)
    expect(answer).to.include({ type: 'NACK', code: 'INVALID_MESSAGE', retryable: false })
    return answer.reason as string
  }

  async function entry(key = 'k'): Promise<StateEntry | undefined> {
    const [entry] = await state.read([{ space: SHARED_SPACE, key }])
    return entry
  }

  const ids = (some: Iterable<{ readonly messageId: string }>) => [...some].map(({ messageId }) => messageId)
  const late = () => applied.flatMap(({ superseded }) => ids(superseded))

  const sk = (n: number, value: string) => `{"type":"SK","key":"k","version":"${at(n)}","value":${value}}`
  const sw = (n: number, value: string) => `{"type":"SW","key":"k","version":"${at(n)}","value":${value}}`
  const del = (n: number) => ({ type: 'DEL', key: 'k', version: at(n) })

  describe('SK', () => {
    it('sets the key, to the byte', async () => {
      const value = '{ "total": 9007199254740993, "price": 1.10, "note": "\\u00e9" }'
      await publish(sk(1, value))
      expect(await entry()).to.deep.equal({ space: 'keys', key: 'k', shape: 'value', version: at(1), value })
    })

    it('sets the key that was meant, however it was written', async () => {
      for (const [text, key] of [
        ['"\\u006b/\\"1\\""', 'k/"1"'],
        ['"ключ 😀"', 'ключ 😀'],
        ['"a\\\\n"', 'a\\n'],
      ] as const) {
        await publish(`{"type":"SK","key":${text},"value":1}`)
        expect(await entry(key), key).to.deep.include({ value: '1' })
      }
    })

    it('that comes late is acknowledged, kept, superseded and not applied', async () => {
      await publish(sk(2, '"new"'), sk(1, '"old"'))
      expect(await entry()).to.deep.include({ value: '"new"', version: at(2) })
      expect(late()).to.deep.equal(['m-2'])
    })

    it('of two without a version, the one that entered later counts', async () => {
      await publish({ type: 'SK', key: 'k', value: 1 }, { type: 'SK', key: 'k', value: 2 })
      expect(await entry()).to.deep.include({ value: '2' })
      expect(late()).to.deep.equal([])
    })

    it('of two stamped at the same moment, that of the greater instance id counts, whichever comes first', async () => {
      const by = (who: string, key: string) => ({ type: 'SK', key, value: who, version: `1767225600000-00000-${who}` })
      await publish(by('aws', 'one'), by('gcp', 'one'), by('gcp', 'other'), by('aws', 'other'))
      expect(await entry('one')).to.deep.include({ value: '"gcp"' })
      expect(await entry('other')).to.deep.include({ value: '"gcp"' })
    })
  })

  it('SA sets the whole array', async () => {
    const array = (n: number, value: string) => `{"type":"SA","key":"k","version":"${at(n)}","value":${value}}`
    await publish(array(1, '["a", 1.0]'), array(3, '[ 1.10,\t9007199254740993 ]'), array(2, '[]'))
    const value = '[ 1.10,\t9007199254740993 ]'
    expect(await entry()).to.deep.equal({ space: 'keys', key: 'k', shape: 'array', version: at(3), value })
    expect(late()).to.deep.equal(['m-3'])
  })

  describe('SW', () => {
    it('sets members one by one, their weights to the byte, and null removes', async () => {
      await publish(
        sw(1, '[ {"member":"a","weight":9007199254740993}, {"weight" : 1.10 ,"member":"b\\"]}"} ]'),
        sw(3, '[{"member":"a","weight":null},{"member":"c","weight":-1e2}]'),
        sw(2, '[{"member":"a","weight":7},{"member":"c","weight":2}]'),
      )
      expect(await entry()).to.deep.equal({
        ...{ space: 'keys', key: 'k', shape: 'weights', version: at(3), floor: '' },
        members: [
          { member: 'a', weight: null, version: at(3) },
          { member: 'b"]}', weight: '1.10', version: at(1) },
          { member: 'c', weight: '-1e2', version: at(3) },
        ],
      })
      expect(late()).to.deep.equal(['m-3'])
    })

    it('of no member says nothing, and is applied', async () => {
      await publish(sw(1, '[]'), sw(2, ' [ ] '))
      expect(await entry()).to.equal(undefined)
      expect(late()).to.deep.equal([])
    })

    for (const [value, reason] of [
      ['[{"member":"a","weight":"1"}]', '/value/0/weight must be number,null'],
      ['[{"member":"a"}]', "/value/0 must have required property 'weight'"],
      ['[{"member":"a","weight":1},{"member":1,"weight":1}]', '/value/1/member must be string'],
      ['[{"member":"","weight":1}]', '/value/0/member must NOT have fewer than 1 characters'],
      ['[{"member":"a","weight":1,"note":1}]', '/value/0 must NOT have additional properties'],
      [
        '[{"member":"a","weight":1},{"member":"b","weight":1},{"member":"\\u0061","weight":2}]',
        '/value/2/member must be another one than those before it',
      ],
      ['[{"member":"a","weight":1,"weight":2}]', '/value holds an item in which a member stands twice'],
      ['[{"member":"a","weight":1e999}]', '/value/0/weight must be number,null'],
      ['{"a":1}', '/value must be array'],
    ] as const) {
      it(`${value} is refused`, async () => {
        expect(await refused(`{"type":"SW","key":"k","value":${value}}`)).to.equal(reason)
      })
    }
  })

  describe('DEL', () => {
    it('deletes, and an older write that comes late does not bring the key back', async () => {
      await publish(sk(1, '1'), del(3), sk(2, '2'), sw(2, '[{"member":"a","weight":1}]'))
      expect(await entry()).to.deep.equal({ space: 'keys', key: 'k', shape: 'tombstone', version: at(3) })
      expect(late()).to.deep.equal(['m-3', 'm-4'])
    })

    it('is replaced by any newer write', async () => {
      await publish(del(1), sw(2, '[{"member":"a","weight":1}]'))
      expect(await entry()).to.deep.include({ shape: 'weights', floor: at(1) })
      await publish(del(3), sk(4, '2'))
      expect(await entry()).to.deep.include({ shape: 'value', value: '2' })
    })

    it('needs a key', async () => {
      expect(await refused('{"type":"DEL"}')).to.equal("must have required property 'key'")
    })
  })

  it('of different types, the newest counts in whatever order they come', async () => {
    await publish(sk(4, '"four"'), sw(3, '[{"member":"a","weight":1}]'), del(2), sw(5, '[{"member":"b","weight":1}]'))
    expect(await entry()).to.deep.include({ shape: 'weights', floor: at(4), version: at(5) })
    await publish(del(6), sk(1, '"one"'))
    expect(await entry()).to.deep.include({ shape: 'tombstone', version: at(6) })
  })
})

describe('the messages of state, where nothing keeps it', () => {
  it('are stored and passed on, and not for the instance itself', async () => {
    const bus = await startBus()
    const [publisher, receiver] = [await connect(bus), await connect(bus)]
    expect(await publisher.publish({ type: 'SW', messageId: 'm', key: 'k', value: [] })).to.include({ recipients: 1 })
    expect((await receiver.next()).body).to.include({ type: 'SW', key: 'k' })
  })
})
