import { ClientError, connect, type Message } from 'slipstream/client'

declare module 'slipstream/client' {
  interface MessageTypes {
    'fx.rate': { pair: string; rate: number }
  }
}

const client = connect('wss://bus.example', {
  name: 'page',
  WebSocket: globalThis.WebSocket,
  signal: AbortSignal.timeout(1),
})

export async function right(): Promise<void> {
  await client.publish('fx.rate', { pair: 'EUR/SEK', rate: 11.2 })
  await client.publish('someone.elses', { anything: 1 })
  const { version }: { version: string | undefined } = await client.set('k', 1n, { signal: AbortSignal.timeout(1) })
  const { value } = await client.get<{ total: number }>('order:1', { consistency: 'newest' })
  document.title = `${version} ${value?.total}`
  for await (const message of client.subscribe({ types: ['fx.rate', 'SW', 'DEL'] })) {
    if (message.type === 'fx.rate') message.body.rate.toFixed(2)
    else if (message.type === 'SW') for (const { member, weight } of message.body.value) member.at(weight ?? 0)
    else message.body.key.trim()
  }
  client.subscribe({ types: ['fx.rate'] }, async ({ body }: Message<'fx.rate'>) => body.pair.trim())
  client.on('disconnected', ({ code }) => code.toFixed())
  await client.drain().catch((error: unknown) => error instanceof ClientError && error.code === 'SLP_REPLACED')
}

export async function wrong(): Promise<void> {
  await client.publish('fx.rate', { pair: 'EUR/SEK' }) // wrong: a body that lacks a member
  await client.publish('fx.rate', { pair: 'EUR/SEK', rate: '11' }) // wrong: a member of another type
  await client.get('k', { consistency: 'some' }) // wrong: a consistency that there is not
  await client.setWeighted('k', [{ member: 'm' }]) // wrong: a member without its weight
  client.subscribe({ types: ['fx.rate'] }, ({ body }) => body.rates) // wrong: reading what the type does not have
  client.on('gone', () => {}) // wrong: an event that there is not
  connect('wss://bus.example', { nmae: 'page' }) // wrong: a misspelt option
}
