import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync } from 'node:fs'
import { expect } from 'chai'
import { type LogFields, slipstreamError } from '../../../../core/index.ts'
import { type LoggingOptions, logging, loggingApi } from '../../../../plugins/admin/logging/index.ts'
import { skip } from '../../../support/services.ts'
import { steppedTime } from '../../../support/stepped-time.ts'
import { type BusGiven, closeAll, eventually, publish, type Running, startBus } from '../support.ts'

type Line = Readonly<Record<string, unknown>>

interface Logging extends Running {
  readonly raw: readonly string[]
  lines(event?: string): readonly Line[]
}

/** A bus whose log is kept. */
async function startLogging(options: LoggingOptions = {}, given: BusGiven = {}): Promise<Logging> {
  const raw: string[] = []
  const plugin = logging({ destination: { write: (line) => raw.push(line) }, ...options })
  const running = await startBus({ ...given, first: [plugin], plugins: [loggingApi()] })
  const lines = (event?: string) =>
    raw.map((line) => JSON.parse(line) as Line).filter((line) => event === undefined || line.event === event)
  return { ...running, raw, lines }
}

/** What is left of these fields in the log. */
async function written(fields: LogFields): Promise<Line> {
  const { kernel, lines } = await startLogging()
  kernel.log.critical('something', fields)
  const { level, time, instance, event, ...rest } = lines('something')[0] as Line
  return rest
}

/** What the API shows of the switches. */
async function shown({ ask }: Running): Promise<object> {
  const { dropped, ...switches } = (await ask('/api/v1/logging')).body
  return switches
}

const put = (running: Running, body: unknown) =>
  running.ask('/api/v1/logging', {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

describe('logging', () => {
  afterEach(closeAll)

  describe('writes lines of JSON', () => {
    it('that say when, how grave, which instance and what', async () => {
      const { kernel, raw, lines } = await startLogging()
      kernel.log.critical('store failed', { reason: 'disk', count: 2 })
      const [line] = lines('store failed')
      expect(line).to.include({ level: 'critical', instance: 'aws-1', reason: 'disk', count: 2 })
      expect(new Date(String(line?.time)).toISOString()).to.equal(line?.time)
      expect(raw.every((one) => one.endsWith('}\n') && one.indexOf('\n') === one.length - 1)).to.equal(true)
    })

    it('with the fields that are allowed, and no other', async () => {
      const fields = { messageId: 'm-1', bytes: 7, value: 'a secret', key: 'k', token: 't', pid: 1, hostname: 'h' }
      expect(await written(fields)).to.deep.equal({ messageId: 'm-1', bytes: 7 })
    })

    it('that hold of an error what it says, and nothing that hangs on it', async () => {
      const cause = new Error('because 4111111111111111')
      const error = slipstreamError('SLP_PLUGIN_FAILED', ['mine', 'ack', 'broke'], {
        plugin: 'mine',
        hook: 'ack',
        cause,
      })
      expect(await written({ error: Object.assign(error, { value: 'a secret' }) })).to.deep.equal({
        error: {
          name: 'SlipstreamError',
          code: 'SLP_PLUGIN_FAILED',
          message: '[mine] ack: broke',
          plugin: 'mine',
          hook: 'ack',
          cause: 'because 411111******1111',
        },
      })
      expect(await written({ error: 'just words' })).to.deep.equal({ error: { message: 'just words' } })
      expect(await written({ error: { value: 'a secret' } })).to.deep.equal({ error: { message: '[object Object]' } })
    })

    it('whose every field is masked and cut', async () => {
      const card = '4111111111111111'
      const { messageId, reason, type } = await written({
        messageId: card,
        type: 'T'.repeat(10_000),
        reason: `Bearer abcdef ${'x'.repeat(600)}`,
      })
      expect(messageId).to.equal('411111******1111')
      expect(String(type)).to.have.lengthOf(256)
      expect(String(reason))
        .to.have.lengthOf(500)
        .and.to.match(/^Bearer \[secret\] x+…$/)
    })

    it('in which control characters are escaped', async () => {
      const { kernel, raw } = await startLogging()
      kernel.log.critical('something', { reason: 'a\r\nb\u0000\u001b[31m\u009b31m' })
      const line = raw.at(-1)?.trimEnd() ?? ''
      // biome-ignore lint/suspicious/noControlCharactersInRegex: there must be none
      expect(line).not.to.match(/[\u0000-\u001f\u007f-\u009f]/)
    })

    it('of at most 8 KiB, whatever they are given', async () => {
      const { kernel, raw, lines } = await startLogging()
      const long = '\u0001'.repeat(1_000)
      const error = Object.assign(new Error(long, { cause: new Error(long) }), { code: long, plugin: long, hook: long })
      error.name = long
      kernel.log.critical('something', {
        ...{ messageId: long, type: long, recipient: long, peer: long, address: long, plugin: long, hook: long },
        ...{ code: long, reason: long, status: long, error },
      })
      expect(Math.max(...raw.map((line) => Buffer.byteLength(line)))).to.be.at.most(8 * 1024)
      expect(lines('something')[0]).to.include({ level: 'critical', shortened: true, instance: 'aws-1' })
    })
  })

  describe('tells what becomes of messages', () => {
    it('stored, forwarded and settled, with ids and sizes and without a key or a value', async () => {
      const { connect, lines, raw } = await startLogging()
      const listener = connect({ instanceId: 'pi-1' })
      await publish(connect({ instanceId: 'shop' }), 'm-1', 'the secret of the house')
      await eventually(() => listener.received.length > 0)
      listener.send({ type: 'ACK', messageId: 'm-1' })
      await eventually(() => lines('settled').length > 0)
      const id = { level: 'message', messageId: 'm-1', type: 'SK' }
      expect(lines('stored')[0])
        .to.include({ ...id, peer: 'shop' })
        .and.to.have.property('bytes')
        .above(50)
      expect(lines('forwarded')[0]).to.include({ ...id, recipient: 'pi-1', attempt: 1 })
      expect(lines('settled')[0]).to.include({ ...id, recipient: 'pi-1' })
      expect(raw.join('')).not.to.contain('the secret').and.not.to.contain('a key')
    })

    it('duplicates and refusals, with the reason and without what was sent', async () => {
      const { connect, lines, raw } = await startLogging()
      const client = connect()
      await publish(client, 'm-1')
      client.send({ type: 'SK', messageId: 'm-1', key: 'a key', value: 'a value' })
      client.send({ type: 'SK', messageId: 'm-2', value: 'the secret of the house' })
      client.send('the secret of the house')
      await eventually(() => lines('refused').length === 2 && lines('duplicate').length === 1)
      expect(lines('duplicate')[0]).to.include({ messageId: 'm-1', type: 'SK', peer: 'link-1' })
      const [wrong, unreadable] = lines('refused')
      expect(wrong).to.include({ messageId: 'm-2', type: 'SK', code: 'INVALID_MESSAGE' })
      expect(wrong?.reason).to.contain("required property 'key'")
      expect(unreadable).to.include({ code: 'INVALID_JSON' }).and.not.to.have.any.keys('messageId', 'type')
      expect(raw.join('')).not.to.contain('the secret')
    })

    it('who comes and goes, and when the bus is ready', async () => {
      const { connect, lines } = await startLogging()
      expect(lines('ready')).to.have.lengthOf(1)
      const client = connect({ instanceId: 'pi-1' })
      await eventually(() => lines('linked').length === 1)
      client.close()
      await eventually(() => lines('unlinked').length === 1)
      expect(lines('linked')[0]).to.include({ peer: 'pi-1', address: 'memory', status: 'in' })
      expect(lines('unlinked')[0]).to.include({ peer: 'pi-1' })
    })
  })

  describe('writes', () => {
    for (const [what, options, logs, expected] of [
      ['messages and errors when nobody says otherwise', {}, undefined, ['message', 'error', 'critical']],
      ['what its options say', { message: false, debug: true }, undefined, ['debug', 'error', 'critical']],
      ['what the settings say', {}, { message: false }, ['error', 'critical']],
      [
        'what the settings say, whatever its options do',
        { message: false },
        { message: true, debug: true },
        ['message', 'debug', 'error', 'critical'],
      ],
    ] as const) {
      it(what, async () => {
        const { kernel, lines } = await startLogging(options, logs && { settings: { logs } })
        for (const level of ['message', 'debug', 'error', 'critical'] as const) kernel.log[level]('something')
        expect(lines('something').map(({ level }) => level)).to.deep.equal(expected)
        expect(kernel.log.enabled('message')).to.equal((expected as readonly string[]).includes('message'))
      })
    }
  })

  describe('on standard error', () => {
    it('has written all before the bus has stopped, and nothing on standard output', async () => {
      const { words, data } = await noisyBus('await bus.stop(); process.kill(process.pid, "SIGKILL")')
      const lines = words
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Line)
      expect(lines.filter(({ event }) => event === 'noise')).to.have.lengthOf(2_000)
      expect(data).to.equal('')
    })

    it('holds up neither the bus nor its stop when the reader is gone', async () => {
      const { code, data } = await noisyBus('await bus.stop(); console.log("stopped")', 'gone')
      expect({ code, data }).to.deep.equal({ code: 0, data: 'stopped\n' })
    })

    it('has all but what is under way written by a process that ends at once', async () => {
      const { words, code } = await noisyBus('noise(); process.exit(3)')
      expect(code).to.equal(3)
      expect(words.match(/"noise"/g)?.length).to.be.at.least(1_999)
    })

    for (const end of ['await bus.stop()', 'process.exit(0)', 'noise(); process.exit(0)']) {
      it(`holds up neither the bus nor \`${end}\` when the disk is full`, async function () {
        if (!existsSync('/dev/full')) skip(this, 'there is no /dev/full')
        expect(await noisyBus(`${end}`, 'full')).to.include({ code: 0 })
      })
    }
  })

  describe('is turned while the bus runs', () => {
    it('shows what is written', async () => {
      const { ask } = await startLogging()
      const { status, body } = await ask('/api/v1/logging')
      expect(status).to.equal(200)
      expect(body).to.deep.equal({ message: true, debug: false, level: 'error', dropped: 0 })
    })

    for (const [turns, expected] of [
      [{ debug: true }, { message: true, debug: true, level: 'debug' }],
      [{ level: 'debug' }, { message: true, debug: true, level: 'debug' }],
      [{ message: false }, { message: false, debug: false, level: 'error' }],
      [{ level: 'critical' }, { message: true, debug: false, level: 'critical' }],
      [{ debug: false }, { message: true, debug: false, level: 'error' }],
      [
        { message: false, debug: true, level: 'debug' },
        { message: false, debug: true, level: 'debug' },
      ],
    ]) {
      it(`takes ${JSON.stringify(turns)}`, async () => {
        const running = await startLogging()
        const { status, body } = await put(running, turns)
        expect(status).to.equal(200)
        const { revertsAt, ...switches } = body
        expect(switches).to.deep.equal({ ...expected, dropped: 0 })
        expect(revertsAt).to.be.a('string')
        expect((await running.ask('/api/v1/logging')).body).to.deep.equal(body)
      })
    }

    it('obeys at once, and logs the turn even where nothing else is logged', async () => {
      const running = await startLogging()
      await put(running, { message: false, level: 'critical' })
      for (const level of ['message', 'debug', 'error', 'critical'] as const) running.kernel.log[level]('something')
      expect(running.lines('something').map(({ level }) => level)).to.deep.equal(['critical'])
      expect(running.lines('logging changed')[0]?.status).to.match(/^message false, level critical, until /)
      await put(running, { debug: true })
      running.kernel.log.debug('something else')
      expect(running.lines('something else')).to.have.lengthOf(1)
    })

    it('reverts after a quarter of an hour, and says when', async () => {
      const { runtime, pass } = steppedTime()
      const running = await startLogging({}, { runtime })
      const at = new Date(runtime.now() + 900_000).toISOString()
      expect((await put(running, { debug: true, message: false })).body).to.include({ debug: true, revertsAt: at })
      await pass(899_999)
      expect(await shown(running)).to.deep.equal({ message: false, debug: true, level: 'debug', revertsAt: at })
      await pass(1)
      expect(await shown(running)).to.deep.equal({ message: true, debug: false, level: 'error' })
      running.kernel.log.debug('something')
      expect(running.lines('something')).to.deep.equal([])
      expect(running.lines('logging changed').map(({ status }) => status)).to.deep.equal([
        `message false, level debug, until ${at}`,
        'message true, level error',
      ])
    })

    it('reverts after the time that is asked for; the latest turn says when', async () => {
      const { runtime, pass } = steppedTime()
      const running = await startLogging({}, { runtime })
      await put(running, { debug: true, forSeconds: 60 })
      await pass(59_000)
      await put(running, { message: false, forSeconds: 2 })
      await pass(1_999)
      expect(await shown(running)).to.include({ message: false, debug: true })
      await pass(1)
      expect(await shown(running)).to.deep.equal({ message: true, debug: false, level: 'error' })
    })

    it('stays until a restart when it is turned for 0 seconds, and keeps that when another turn reverts', async () => {
      const { runtime, pass } = steppedTime()
      const running = await startLogging({}, { runtime })
      await put(running, { debug: true, forSeconds: 60 })
      expect((await put(running, { message: false, forSeconds: 0 })).body).to.include({ message: false, debug: true })
      await pass(60_000)
      expect(await shown(running)).to.deep.equal({ message: false, debug: false, level: 'error' })
      await pass(24 * 3_600_000)
      expect(await shown(running)).to.include({ message: false })
    })

    it('leaves no timer behind', async () => {
      const { runtime, timers } = steppedTime()
      const running = await startLogging({}, { runtime })
      await put(running, { debug: true })
      expect(timers()).to.include(900_000)
      await running.bus.stop()
      expect(timers()).not.to.include(900_000)
    })

    it('goes back from debug to errors', async () => {
      const running = await startLogging({ debug: true })
      expect((await put(running, { debug: false })).body).to.include({ debug: false, level: 'error' })
    })

    for (const wrong of [
      {},
      [],
      null,
      'debug',
      { redaction: false },
      { redact: false, debug: true },
      { debug: 'true' },
      { level: 'message' },
      { forSeconds: 60 },
      { debug: true, forSeconds: -1 },
      { debug: true, forSeconds: '60' },
      { debug: true, forSeconds: 86_401 },
      { level: 'trace' },
      { level: 'error', debug: true },
      { level: 'debug', debug: false },
      { message: null },
      { dropped: 0 },
      { __proto__: null, constructor: { debug: true } },
    ]) {
      it(`refuses ${JSON.stringify(wrong)} and leaves all as it was`, async () => {
        const running = await startLogging()
        const { status, body } = await put(running, wrong)
        expect(status).to.equal(400)
        expect(body).to.include({ code: 'INVALID' })
        expect((await running.ask('/api/v1/logging')).body).to.include({ message: true, debug: false, level: 'error' })
        expect(running.lines('logging changed')).to.have.lengthOf(0)
      })
    }

    it('refuses a write that carries nothing', async () => {
      const { ask } = await startLogging()
      const headers = { 'content-type': 'application/json' }
      expect((await ask('/api/v1/logging', { method: 'PUT', headers })).status).to.equal(400)
    })
  })
})

/** A process with a bus that logs 2,000 lines and comes to that end; what it wrote, and its exit code. */
async function noisyBus(end: string, standardError: 'read' | 'gone' | 'full' = 'read') {
  const script = `
    import { createBus } from './core/index.ts'
    import { logging } from './plugins/admin/logging/index.ts'
    import { memory } from './plugins/stores/memory.ts'
    let noise
    const noisy = { name: 'noisy', apply({ hooks, log }) {
      noise = () => {
        for (let count = 1; count <= 2_000; count++) log.critical('noise', { count })
      }
      hooks.ready.tap(() => log.critical('first'))
      hooks.stop.tap(noise)
    } }
    const bus = createBus({ plugins: [logging(), memory(), noisy] })
    await bus.start()
    await new Promise((resolve) => process.stdin.once('data', resolve))
    ${end}
    process.stdin.destroy()
  `
  const full = standardError === 'full' ? openSync('/dev/full', 'w') : undefined
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
    stdio: ['pipe', 'pipe', full ?? 'pipe'],
    timeout: 10_000,
  })
  if (full !== undefined) closeSync(full)
  if (standardError === 'gone') child.stderr?.destroy()
  const output = { words: '', data: '' }
  child.stderr?.on('data', (chunk) => {
    output.words += chunk
  })
  child.stdout?.on('data', (chunk) => {
    output.data += chunk
  })
  child.stdin?.write('go')
  const [code] = await once(child, 'close')
  return { ...output, code }
}
