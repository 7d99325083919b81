import { expect } from 'chai'
import { VERSION } from '../../../core/index.ts'
import { statusApi } from '../../../plugins/admin/status/index.ts'
import { closeAll, eventually, publish, startBus } from './support.ts'

const started = () => startBus({ plugins: [statusApi()], settings: { tags: ['eu'] } })

describe('status-api', () => {
  afterEach(closeAll)

  it('says who the instance is and what it holds', async () => {
    const { ask, connect } = await started()
    connect({ instanceId: 'gcp-1', role: 'instance' })
    connect({ instanceId: 'pi-1' })
    await eventually(async () => (await ask('/api/v1/connections')).body.total === 3)
    await publish(connect(), 'm-1')
    const { body } = await ask('/api/v1/status')
    expect(body).to.deep.include({ instanceId: 'aws-1', version: VERSION, tags: ['eu'], draining: false, backlog: 2 })
    expect(body.links).to.deep.equal({ instances: 1, clients: 2 })
    expect(body.uptimeSeconds).to.be.within(0, 20)
    expect(body.store).to.include({ messages: 1, pending: 2 })
  })

  it('has a line for each recipient, linked or not', async () => {
    const { ask, connect } = await started()
    const client = connect({ instanceId: 'pi-1', tags: ['us', 'eu'] })
    await eventually(async () => (await ask('/api/v1/connections')).body.total === 2)
    await publish(connect(), 'm-1')
    const line = async () => {
      const { items } = (await ask('/api/v1/connections')).body as { items: readonly { name: string }[] }
      return items.find(({ name }) => name === 'pi-1')
    }
    const constant = { name: 'pi-1', role: 'client', tags: ['us', 'eu'], durable: true, backlog: 1 }
    expect(await line()).to.deep.equal({ ...constant, connected: true, address: 'memory', inFlight: 1 })
    client.close()
    await eventually(async () => !JSON.stringify(await line()).includes('"connected":true'))
    expect(await line()).to.deep.equal({ ...constant, connected: false, inFlight: 0 })
  })

  it('has a line for each plugin, with its cost and its faults', async () => {
    const { ask } = await started()
    const { total, items } = (await ask('/api/v1/plugins')).body as { total: number; items: readonly object[] }
    expect(items).to.have.lengthOf(total)
    const http = items.find((item) => 'name' in item && item.name === 'http')
    expect(http).to.include({ faults: 0, calls: 1 }).and.to.have.property('milliseconds').that.is.above(0)
  })
})
