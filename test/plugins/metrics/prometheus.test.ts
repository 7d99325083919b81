import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Plugin } from '../../../core/index.ts'
import { circuitBreaker } from '../../../plugins/delivery/circuit-breaker.ts'
import { replay } from '../../../plugins/delivery/replay.ts'
import { republish } from '../../../plugins/delivery/republish.ts'
import { commands } from '../../../plugins/messages/cmd.ts'
import { deleteKey } from '../../../plugins/messages/del.ts'
import { hello } from '../../../plugins/messages/hello.ts'
import { nack } from '../../../plugins/messages/nack.ts'
import { subscribe } from '../../../plugins/messages/subscribe.ts'
import { prometheus } from '../../../plugins/metrics/prometheus/index.ts'
import { memoryState } from '../../../plugins/state/memory.ts'
import { sqlite } from '../../../plugins/stores/sqlite/index.ts'
import { requireService } from '../../support/services.ts'
import {
  type BusGiven,
  type Client,
  closeAll,
  eventually,
  publish,
  type Running,
  startBus,
  temporaryFolder,
} from '../admin/support.ts'

interface Metered extends Running {
  text(): Promise<string>
  /** The value of a series, such as `acks_total`, without `slipstream_`; undefined when there is none. */
  series(series: string): Promise<number | undefined>
}

async function startMetered(given: BusGiven = {}): Promise<Metered> {
  const running = await startBus({ ...given, plugins: [prometheus(), ...(given.plugins ?? [])] })
  const text = async () => (await running.ask('/metrics')).text
  return { ...running, text, series: async (series) => valueIn(await text(), series) }
}

function valueIn(text: string, series: string): number | undefined {
  const line = text.split('\n').find((one) => one.startsWith(`slipstream_${series} `))
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ')))
}

const sqliteStore = async () => sqlite({ path: join(await temporaryFolder(), 'slipstream.db') })

const seriesOf = (text: string) => text.split('\n').filter((line) => line.startsWith('slipstream_'))

/** An instance that passes a message on which entered the mesh there. */
function passOn(instance: Client, n: number, type = 'SK'): void {
  const origin = { originInstanceId: 'gcp-1', originSequence: `e.${n}`, version: '0000000000001-00000-gcp-1' }
  instance.send({ type, messageId: `far-${n}`, ...origin, messagePath: ['gcp-1'], key: 'a key', value: 1 })
}

describe('prometheus', () => {
  afterEach(closeAll)

  it('serves the text format, to everyone', async () => {
    const { ask } = await startMetered()
    const { status, headers } = await ask('/metrics', { headers: { host: 'bus.example' } })
    expect(status).to.equal(200)
    expect(headers['content-type']).to.equal('text/plain; version=0.0.4; charset=utf-8')
  })

  it('has every series from the start, at zero', async () => {
    const { text } = await startMetered()
    const all = await text()
    for (const series of [
      'active_connections',
      'messages_processed_total{type="SK",origin="local"}',
      'messages_processed_total{type="SK",origin="remote"}',
      'messages_processed_total{type="other",origin="remote"}',
      'messages_received_total{type="ACK"}',
      'messages_forwarded_total{type="SK"}',
      'duplicates_total',
      'refused_total{code="INVALID_JSON"}',
      'refused_total{code="STORE_UNAVAILABLE"}',
      'acks_total',
      'applied_total{type="SK",outcome="applied"}',
      'applied_total{type="SK",outcome="superseded"}',
      'state_keys',
      'state_tombstones',
      'state_bytes',
      'catch_up_running',
      'catch_up_sessions_total{result="completed"}',
      'catch_up_keys_total{direction="received"}',
      'catch_up_too_large_total',
      'catch_up_bytes_total',
      'catch_up_dropped_total',
      'state_members',
      'state_tombstones_purged_total',
      'republish_total',
      'corrected_total',
      'links{role="instance",level="plain"}',
      'links{role="instance",level="linked"}',
      'links{role="client",level="plain"}',
      'links{role="client",level="linked"}',
      'recipients{role="client",connected="false"}',
      'backlog_messages{recipient="@self"}',
      'backlog_messages{recipient="other"}',
      'oldest_pending_seconds{recipient="@self"}',
      'oldest_pending_seconds{recipient="other"}',
      'persist_seconds_count',
      'persist_seconds_bucket{le="0.001"}',
      'delivery_seconds_count',
      'store_messages',
      'dead_letters',
      'dead_letters_total{reason="REJECTED"}',
      'dead_letters_total{reason="POISON"}',
      'dead_letters_total{reason="INTEGRITY"}',
      'dead_letters_total{reason="RECIPIENT_FORGOTTEN"}',
      'replay_jobs{state="waiting"}',
      'replay_jobs{state="running"}',
      'dead_letters_replayed_total',
      'delivery_failures_total{cause="nack"}',
      'delivery_failures_total{cause="silence"}',
      'deliveries{state="targeted"}',
      'deliveries{state="collapsed"}',
      'deliveries{state="forgotten"}',
      'store_pending',
      'scheduled_messages',
      'delivery_circuits_open{type="SK"}',
      'delivery_circuits_open{type="other"}',
      'delivery_circuit_openings_total',
      'plugin_faults_total{plugin="http"}',
    ]) {
      expect(valueIn(all, series), series).to.equal(0)
    }
    expect(valueIn(all, `build_info{version="1.0.0",node_version="${process.version}"}`)).to.equal(1)
  })

  it('counts a message on its way: received, processed, forwarded, settled', async () => {
    const { connect, series } = await startMetered()
    const listener = connect({ instanceId: 'pi-1' })
    await publish(connect(), 'm-1')
    await eventually(() => listener.received.length > 0)
    expect(await series('backlog_messages{recipient="other"}')).to.equal(1)
    listener.send({ type: 'ACK', messageId: 'm-1' })
    await eventually(async () => (await series('acks_total')) === 1)
    expect(await series('messages_received_total{type="SK"}')).to.equal(1)
    expect(await series('messages_received_total{type="ACK"}')).to.equal(1)
    expect(await series('messages_processed_total{type="SK",origin="local"}')).to.equal(1)
    expect(await series('messages_processed_total{type="SK",origin="remote"}')).to.equal(0)
    expect(await series('messages_forwarded_total{type="SK"}')).to.equal(1)
    expect(await series('backlog_messages{recipient="other"}')).to.equal(0)
    expect(await series('store_messages')).to.equal(1)
  })

  it('counts what is applied by type and outcome, and what the state has become', async () => {
    const { connect, series } = await startMetered({ plugins: [memoryState(), deleteKey()] })
    const publisher = connect()
    const at = (n: number) => `${1_767_225_600_000 + n}-00000-a`
    publisher.send({ type: 'SK', key: 'one', value: 1, version: at(2) })
    publisher.send({ type: 'SK', key: 'one', value: 2, version: at(1) })
    publisher.send({ type: 'DEL', key: 'two' })
    await eventually(async () => (await series('applied_total{type="DEL",outcome="applied"}')) === 1)
    expect(await series('applied_total{type="SK",outcome="applied"}')).to.equal(1)
    expect(await series('applied_total{type="SK",outcome="superseded"}')).to.equal(1)
    expect(await series('state_keys')).to.equal(1)
    expect(await series('state_tombstones')).to.equal(1)
    expect(await series('state_bytes')).to.be.greaterThan(0)
  })

  it('counts what is replayed, and the jobs that have not ended', async () => {
    const { connect, kernel, series } = await startMetered({ plugins: [nack(), republish(), replay()] })
    const listener = connect({ instanceId: 'pi-1' })
    const publisher = connect()
    for (const id of ['m-1', 'm-2', 'm-3']) await publish(publisher, id)
    for (const messageId of ['m-1', 'm-2', 'm-3']) {
      await eventually(() => listener.received.some((one) => one.messageId === messageId))
      listener.send({ type: 'NACK', messageId, code: 'INVALID_MESSAGE', reason: 'no', retryable: false })
    }
    await eventually(() => kernel.storeStatistics().dead === 3)
    const { items } = await kernel.deadLetters.list({}, { limit: 3 })
    const [first, second, third] = items.map(({ id }) => [id])
    const replays = kernel.use('replays')
    await replays.start({ by: 'test', filter: { ids: [...(first ?? []), ...(second ?? [])] }, perSecond: 1 })
    await replays.start({ by: 'test', filter: { ids: third ?? [] } })
    await eventually(async () => (await series('dead_letters_replayed_total')) === 1)
    expect(await series('replay_jobs{state="running"}')).to.equal(1)
    expect(await series('replay_jobs{state="waiting"}')).to.equal(1)
  })

  it('counts commands by their names and what came of them, and times those that were run', async () => {
    const allow = ['slipstream.ping', 'no.such', 'another'].map((command) => ({ command, identities: '*' as const }))
    const { connect, series } = await startMetered({ plugins: [nack(), commands({ allow })] })
    const publisher = connect()
    const expiresAt = Date.now() + 60_000
    const send = (command: string, more: object = {}) => publisher.send({ type: 'CMD', command, expiresAt, ...more })
    send('slipstream.ping')
    send('slipstream.ping', { args: { too: 'many' } })
    for (const unknown of ['no.such', 'another']) send(unknown)
    await eventually(async () => (await series('commands_total{command="other",outcome="unknown"}')) === 2)
    expect(await series('commands_total{command="slipstream.ping",outcome="done"}')).to.equal(1)
    expect(await series('commands_total{command="slipstream.ping",outcome="invalid_args"}')).to.equal(1)
    expect(await series('commands_total{command="slipstream.status",outcome="done"}')).to.equal(0)
    expect(await series('command_seconds_count')).to.equal(1)
  })

  it('takes the time in seconds', async () => {
    const { connect, series } = await startMetered()
    const listener = connect({ instanceId: 'pi-1' })
    await publish(connect(), 'm-1')
    await eventually(() => listener.received.length > 0)
    listener.send({ type: 'ACK', messageId: 'm-1' })
    await eventually(async () => (await series('delivery_seconds_count')) === 1)
    expect(await series('persist_seconds_count')).to.equal(1)
    expect(await series('persist_seconds_sum')).to.be.within(0.000_001, 2)
    expect(await series('delivery_seconds_sum')).to.be.within(0, 2)
    expect(await series('plugin_seconds_total{plugin="prometheus"}')).to.be.within(0.000_000_1, 2)
  })

  it('tells what entered at another instance from what entered here', async () => {
    const { connect, series } = await startMetered()
    passOn(connect({ instanceId: 'gcp-1', role: 'instance' }), 1)
    await eventually(async () => (await series('messages_processed_total{type="SK",origin="remote"}')) === 1)
    expect(await series('messages_processed_total{type="SK",origin="local"}')).to.equal(0)
  })

  it('counts duplicates, refusals by their code, and members that were made up', async () => {
    const { connect, series } = await startMetered()
    const client = connect()
    await publish(client, 'm-1')
    client.send({ type: 'SK', messageId: 'm-1', key: 'a key', value: 'a value' })
    client.send('no json')
    client.send({ type: 'NOBODY' })
    client.send({ type: 'SK', messageId: 'm-2', key: 'k', value: 1, messagePath: ['x'], sourceInstanceId: 'x' })
    await eventually(async () => (await series('messages_processed_total{type="SK",origin="local"}')) === 2)
    expect(await series('duplicates_total')).to.equal(1)
    expect(await series('refused_total{code="INVALID_JSON"}')).to.equal(1)
    expect(await series('refused_total{code="UNKNOWN_TYPE"}')).to.equal(1)
    expect(await series('corrected_total')).to.equal(2)
  })

  it('counts what goes out again apart from what goes out', async () => {
    const again: Plugin = {
      name: 'again',
      apply: ({ hooks, deliveries }) => hooks.republish.tap((due) => deliveries.sendAgain(due)),
    }
    const { connect, series } = await startMetered({ plugins: [again], settings: { retryDelayMs: 20 } })
    connect({ instanceId: 'pi-1' })
    await publish(connect(), 'm-1')
    await eventually(async () => ((await series('republish_total')) ?? 0) >= 1)
    expect(await series('messages_forwarded_total{type="SK"}')).to.equal(1)
  })

  it('counts attempts that fail by their cause, and what is given up by its reason', async () => {
    const { connect, series } = await startMetered({
      plugins: [nack(), republish()],
      settings: { retryDelayMs: 20, maxRepublishAttempts: 1 },
    })
    const listener = connect({ instanceId: 'pi-1' })
    const refuse = async (messageId: string, times: number, retryable: boolean) => {
      await eventually(() => listener.received.filter((one) => one.messageId === messageId).length === times)
      listener.send({ type: 'NACK', messageId, code: 'INTERNAL', retryable })
    }
    const client = connect()
    await publish(client, 'm-1')
    await publish(client, 'm-2')
    await refuse('m-1', 1, false)
    await refuse('m-2', 1, true)
    await refuse('m-2', 2, true)
    await eventually(async () => (await series('dead_letters')) === 2)
    await publish(client, 'm-3')
    await eventually(() => listener.received.some(({ messageId }) => messageId === 'm-3'))
    listener.close()
    await eventually(async () => (await series('delivery_failures_total{cause="disconnect"}')) === 1)
    expect(await series('delivery_failures_total{cause="rejection"}')).to.equal(1)
    expect(await series('delivery_failures_total{cause="nack"}')).to.equal(2)
    expect(await series('dead_letters_total{reason="REJECTED"}')).to.equal(1)
    expect(await series('dead_letters_total{reason="ATTEMPTS_EXHAUSTED"}')).to.equal(1)
    expect(await series('republish_total')).to.equal(1)
  })

  it('tells what became of everything that was for anybody, and nothing is missing', async () => {
    const { connect, series, kernel } = await startMetered({
      plugins: [nack(), republish()],
      store: await sqliteStore(),
    })
    const listener = connect({ instanceId: 'pi-1' })
    connect({ instanceId: 'pi-2' })
    await eventually(() => kernel.links().length === 2)
    const client = connect()
    await publish(client, 'm-1')
    await publish(client, 'm-2')
    await eventually(() => listener.received.length === 2)
    listener.send({ type: 'ACK', messageId: 'm-1' })
    listener.send({ type: 'NACK', messageId: 'm-2', code: 'INVALID_MESSAGE', retryable: false })
    await eventually(async () => (await series('deliveries{state="dead"}')) === 1)
    expect(await series('deliveries{state="targeted"}')).to.equal(4)
    expect(await series('deliveries{state="acked"}')).to.equal(1)
    expect(await series('deliveries{state="pending"}')).to.equal(2)
    expect(await series('deliveries{state="collapsed"}')).to.equal(0)
    expect(await series('deliveries{state="forgotten"}')).to.equal(0)
  })

  it('tells since when somebody waits, and the longest wait of those without a name of their own here', async () => {
    const { connect, series, kernel, ask } = await startMetered({ settings: { peers: [{ url: 'memory://gcp' }] } })
    connect({ instanceId: 'pi-1' })
    await eventually(() => kernel.links().length === 1)
    const client = connect()
    const began = Date.now()
    await publish(client, 'm-1')
    connect({ instanceId: 'pi-2' })
    await publish(client, 'm-2')
    for (const recipient of ['memory://gcp', 'other']) {
      await eventually(async () => ((await series(`oldest_pending_seconds{recipient="${recipient}"}`)) ?? 0) > 0)
      const text = await ask('/metrics')
      const age = valueIn(text.text, `oldest_pending_seconds{recipient="${recipient}"}`)
      expect(age).to.be.within(0, (Date.now() - began) / 1_000)
    }
  })

  it('counts what is forgotten with its recipient among what is given up', async () => {
    const { connect, series, kernel } = await startMetered()
    connect({ instanceId: 'pi-1' })
    await eventually(() => kernel.links().length === 1)
    const client = connect()
    await publish(client, 'm-1')
    await publish(client, 'm-2')
    await kernel.forget('pi-1')
    expect(await series('dead_letters_total{reason="RECIPIENT_FORGOTTEN"}')).to.equal(2)
    expect(await series('dead_letters')).to.equal(1)
    expect(await series('deliveries{state="forgotten"}')).to.equal(2)
  })

  it('counts who is linked and who is known', async () => {
    const { connect, series } = await startMetered()
    connect({ instanceId: 'gcp-1', role: 'instance' })
    connect()
    const leaver = connect({ instanceId: 'pi-1' })
    await eventually(async () => (await series('active_connections')) === 3)
    expect(await series('links{role="instance",level="plain"}')).to.equal(1)
    expect(await series('links{role="instance",level="linked"}')).to.equal(0)
    expect(await series('links{role="client",level="plain"}')).to.equal(2)
    leaver.close()
    await eventually(async () => (await series('active_connections')) === 2)
    expect(await series('recipients{role="instance",connected="true"}')).to.equal(1)
    expect(await series('recipients{role="client",connected="true"}')).to.equal(1)
    expect(await series('recipients{role="client",connected="false"}')).to.equal(1)
  })

  it('counts the clients that have subscribed, linked or away', async () => {
    const { connect, series } = await startMetered({ plugins: [subscribe()] })
    expect(await series('subscribers')).to.equal(0)
    const [named, nameless] = [connect({ instanceId: 'pi-1' }), connect()]
    for (const client of [named, nameless]) client.send({ type: 'SUBSCRIBE', types: ['SK'] })
    await eventually(async () => (await series('subscribers')) === 2)
    for (const client of [named, nameless]) client.close()
    await eventually(async () => (await series('subscribers')) === 1)
  })

  it('counts the faults of plugins', async () => {
    const faulty: Plugin = {
      name: 'faulty',
      apply: ({ hooks }) =>
        hooks.linkUp.tap(() => {
          throw new Error('no')
        }),
    }
    const { connect, series } = await startMetered({ plugins: [faulty] })
    connect({ instanceId: 'pi-1' })
    await eventually(async () => (await series('plugin_faults_total{plugin="faulty"}')) === 1)
  })

  it('has as many series as before, whatever strangers say', async () => {
    const { connect, text } = await startMetered()
    const instance = connect({ instanceId: 'gcp-1', role: 'instance' })
    passOn(instance, 1)
    await eventually(async () => (await text()).includes('recipient="gcp-1"'))
    const before = seriesOf(await text()).length
    const clients = Array.from({ length: 20 }, (_, n) => connect({ instanceId: `stranger-${n}` }))
    for (const [n, client] of clients.entries()) {
      client.send({ type: `TYPE_${n}`, originInstanceId: `origin-${n}`, messageId: `s-${n}` })
      passOn(instance, n + 2, `type.${n}`)
    }
    await eventually(async () => (await text()).includes('slipstream_refused_total{code="UNKNOWN_TYPE"} 20'))
    await eventually(async () => valueIn(await text(), 'messages_processed_total{type="other",origin="remote"}') === 20)
    expect(seriesOf(await text())).to.have.lengthOf(before)
  })

  it('names a hundred recipients at most, and sums up the others', async () => {
    const peers = Array.from({ length: 120 }, (_, n) => ({ url: `memory://peer-${n}` }))
    const { connect, text } = await startMetered({ settings: { peers } })
    await publish(connect(), 'm-1')
    await eventually(async () => (valueIn(await text(), 'backlog_messages{recipient="other"}') ?? 0) > 0)
    const named = seriesOf(await text()).filter((line) => line.startsWith('slipstream_backlog_messages'))
    expect(named).to.have.lengthOf(101)
    expect(named.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)).to.equal(120)
  })

  it('tells how many recipients a type is not sent to because its circuit is open, and how often one opened', async () => {
    const { connect, series } = await startMetered({
      plugins: [nack(), circuitBreaker({ failures: 2 }), republish()],
      settings: { retryDelayMs: 60_000 },
    })
    const listener = connect({ instanceId: 'pi-1' })
    const publisher = connect()
    for (const id of ['m-1', 'm-2', 'm-3']) {
      await publish(publisher, id)
      listener.send({ type: 'NACK', messageId: id, code: 'INTERNAL', retryable: true })
    }
    await eventually(async () => (await series('delivery_circuits_open{type="SK"}')) === 1)
    expect(await series('delivery_circuit_openings_total')).to.equal(1)
    listener.send({ type: 'ACK', messageId: 'm-2' })
    await eventually(async () => (await series('delivery_circuits_open{type="SK"}')) === 0)
    expect(await series('delivery_circuit_openings_total')).to.equal(1)
  })

  it('measures the clocks of linked instances, of no more than have a name', async () => {
    const { connect, series, text } = await startMetered({ plugins: [hello()] })
    const skewed = connect({ instanceId: 'gcp-1', role: 'instance' })
    skewed.send({ type: 'HELLO', tags: [], time: Date.now() + 3_600_000, agrees: 0 })
    connect({ instanceId: 'silent', role: 'instance' })
    connect({ instanceId: 'pi-1' }).send({ type: 'HELLO', tags: [], time: 0 })
    await eventually(async () => (await series('peer_clock_skew_seconds{peer="gcp-1"}')) !== undefined)
    expect(await series('peer_clock_skew_seconds{peer="gcp-1"}')).to.be.closeTo(3_600, 5)
    const lines = seriesOf(await text()).filter((line) => line.startsWith('slipstream_peer_clock_skew_seconds'))
    expect(lines).to.have.lengthOf(1)
    skewed.close()
    await eventually(async () => !(await text()).includes('slipstream_peer_clock_skew_seconds{'))
  })

  it('tells which links have an open circuit, of a hundred peers at most', async () => {
    const peers = Array.from({ length: 120 }, (_, n) => ({ url: `memory://peer-${n}` }))
    const { text, series } = await startMetered({ settings: { peers, connectionRetryAttempts: 0 } })
    await eventually(async () => (await series('link_circuit_open{recipient="memory://peer-0"}')) === 1)
    const lines = seriesOf(await text()).filter((line) => line.startsWith('slipstream_link_circuit_open'))
    expect(lines).to.have.lengthOf(100)
    const patient = await startMetered({ settings: { peers: peers.slice(0, 1) } })
    expect(await patient.series('link_circuit_open{recipient="memory://peer-0"}')).to.equal(0)
  })

  it('tells the figures of the store, those of its kind included', async () => {
    const { connect, series } = await startMetered({ store: await sqliteStore() })
    connect({ instanceId: 'pi-1' })
    const publisher = connect()
    await publish(publisher, 'm-1')
    await publish(publisher, 'm-2', 'a value', { notBefore: Date.now() + 60_000 })
    expect(await series('store_messages')).to.equal(1)
    expect(await series('store_pending')).to.equal(1)
    expect(await series('scheduled_messages')).to.equal(1)
    expect(await series('store_bytes')).to.be.above(4_096)
    expect(await series('store_wal_bytes')).to.be.above(0)
    expect(await series('store_free_pages')).to.equal(0)
    expect(await series('store_used_bytes')).to.be.above(4_096)
    expect(await series('store_capacity_bytes')).to.be.within(1024 ** 2, 10 * 1024 ** 3)
  })

  it('tells two buses in one process apart', async () => {
    const one = await startMetered()
    const other = await startMetered({ settings: { instanceId: 'gcp-1' } })
    await publish(one.connect(), 'm-1')
    expect(await one.series('messages_processed_total{type="SK",origin="local"}')).to.equal(1)
    expect(await other.series('messages_processed_total{type="SK",origin="local"}')).to.equal(0)
  })

  it('tells the figures of the process', async () => {
    const { text } = await startMetered()
    expect(await text())
      .to.match(/^process_cpu_seconds_total [\d.e-]+$/m)
      .and.to.match(/^nodejs_eventloop_lag_seconds/m)
  })

  it('holds no name twice', async () => {
    const names = [...(await (await startMetered()).text()).matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name)
    expect(new Set(names).size).to.equal(names.length)
  })

  it('has a place in plugins/README.md for each name, and there is no other', async () => {
    const page = await readFile(new URL('../../../plugins/README.md', import.meta.url), 'utf8')
    const [, section = ''] = /\n### Metrics\n(.*?)\n##/s.exec(page) ?? []
    const rows = section.split('\n').filter((line) => line.startsWith('| `'))
    const described = rows.flatMap((row) =>
      [...(row.split(' | ')[0] ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name),
    )
    const { text } = await startMetered({ store: await sqliteStore() })
    const names = [...(await text()).matchAll(/^# TYPE slipstream_(\S+)/gm)].map(([, name]) => name)
    expect(described).to.have.members(names)
  })

  it('has names and help of which promtool approves', async function () {
    const promtool = requireService(this, 'promtool')
    const { text } = await startMetered({ store: await sqliteStore() })
    const own = (await text()).split('\n').filter((line) => /^(# (HELP|TYPE) )?slipstream_/.test(line))
    const check = spawn(promtool, ['check', 'metrics'])
    let complaints = ''
    check.stderr.on('data', (chunk) => {
      complaints += chunk
    })
    check.stdin.end(`${own.join('\n')}\n`)
    const [code] = await once(check, 'close')
    expect(complaints).to.equal('')
    expect(code).to.equal(0)
  })
})
