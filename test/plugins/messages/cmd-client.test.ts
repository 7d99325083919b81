import { expect } from 'chai'
import type { Client } from '../../../core/client/client.ts'
import { connect } from '../../../core/client/node.ts'
import { eventually } from '../../support/client.ts'
import { Tunnel } from '../../support/tunnel.ts'
import { Counting, inAMinute, instance, Waiting } from './cmd-support.ts'

describe('commands of the client library', () => {
  const clients: Client[] = []
  const tunnels: Tunnel[] = []

  const join = (url: string) => {
    const client = connect(url, { name: 'ops-1', retryDelayMs: 10, maxRetryDelayMs: 50 })
    clients.push(client)
    return client
  }

  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()))
    await Promise.all(tunnels.splice(0).map((tunnel) => tunnel.close()))
  })

  it('resolve to what they have come to, two hops away, and reject with why they have not', async () => {
    const three = await instance('three')
    const two = await instance('two', { dials: [three] })
    const one = await instance('one', { dials: [two] })
    const client = join(one.url)
    const { value } = await client.command<{ instanceId: string }>('slipstream.ping', undefined, { target: 'three' })
    expect(value?.instanceId).to.equal('three')
    const failure = (command: Promise<unknown>) => command.catch((error: unknown) => error)
    expect(await failure(client.command('slipstream.ping', { too: 'many' }))).to.include({ code: 'INVALID_ARGS' })
    expect(await failure(client.command('not.allowed'))).to.include({ code: 'FORBIDDEN' })
    expect(await failure(client.command('slipstream.ping', undefined, { target: 'nobody' }))).to.include({
      code: 'NO_RESPONDERS',
    })
  })

  it('run once though the connection is lost meanwhile, and are asked for again on the next one', async () => {
    const waiting = new Waiting()
    const two = await instance('two', { handlers: waiting.handlers })
    const one = await instance('one', { dials: [two], handlers: waiting.handlers })
    const tunnel = await Tunnel.to(one.url)
    tunnels.push(tunnel)
    const client = join(tunnel.url)
    const result = client.command('test.wait', undefined, { target: 'two', timeoutMs: 20_000 })
    await eventually(() => waiting.begun === 1)
    tunnel.cut()
    waiting.finish('done')
    expect((await result).value).to.equal('done')
    expect(waiting.begun).to.equal(1)
  })

  it('may be asked for again by another process, which knows the id and the time', async () => {
    const counting = new Counting()
    const bus = await instance('one', { handlers: counting.handlers })
    const options = { messageId: 'nightly-7', expiresAt: inAMinute() }
    expect((await join(bus.url).command('test.count', undefined, options)).value).to.equal(1)
    await clients.pop()?.close()
    expect((await join(bus.url).command('test.count', undefined, options)).value).to.equal(1)
    expect(counting.runs).to.deep.equal(['nightly-7@one'])
  })
})
