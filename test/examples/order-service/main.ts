import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { SlipstreamDeduplicator, sqlite } from 'slipstream/dedup'
import { Instance } from './instance.ts'
import { Shop } from './shop.ts'
import { Warehouse } from './warehouse.ts'

const DONE_WITHIN_MS = 120_000

const { values: options } = parseArgs({
  options: { orders: { type: 'string', default: '400' }, json: { type: 'boolean', default: false } },
})

const folder = await mkdtemp(join(tmpdir(), 'order-service-'))
const began = Date.now()
const tell = (text: string) => {
  const seconds = ((Date.now() - began) / 1000).toFixed(1).padStart(5)
  if (!options.json) console.log(`${seconds} s  ${text}`)
}

/** Two instances beside the shop in Europe, of which either may die, and one beside the warehouse in America. */
async function plan(): Promise<{ europe: readonly [Instance, Instance]; america: Instance }> {
  const america = await Instance.plan({ name: 'america', folder, tag: 'america', clusterGroupId: 'america', peers: [] })
  const inEurope = (name: string, peers: readonly Instance[]) =>
    Instance.plan({ name, folder, tag: 'europe', clusterGroupId: 'europe', peers })
  const first = await inEurope('europe-1', [america])
  return { europe: [first, await inEurope('europe-2', [america, first])], america }
}

const remembering = (name: string) =>
  new SlipstreamDeduplicator({ backend: sqlite({ path: join(folder, `${name}-handled.db`) }) })

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + DONE_WITHIN_MS; !(await holds()); await pause(50)) {
    if (Date.now() > deadline) throw new Error(`not within ${DONE_WITHIN_MS / 1000} s: ${what}`)
  }
}

/** Kills an instance when so many orders are placed, and starts it again when so many more are. */
async function fail(instance: Instance, shop: Shop, from: number, to: number): Promise<void> {
  await until(`${from} orders are placed`, () => shop.placed.size >= from)
  await instance.kill()
  tell(`${instance.name} dies, ${shop.placed.size} orders are placed`)
  await until(`${to} orders are placed`, () => shop.placed.size >= to)
  await instance.start()
  tell(`${instance.name} is back, ${shop.placed.size} orders are placed`)
}

const { europe, america } = await plan()
const instances = [america, ...europe]
try {
  for (const instance of instances) await instance.start()
  tell('europe-1, europe-2 and america run')
  const shop = new Shop(
    europe.map(({ url }) => url),
    remembering('shop'),
  )
  const warehouse = new Warehouse(america.url, remembering('warehouse'))
  const orderIds = Array.from({ length: Number(options.orders) }, (_, n) => `order-${n + 1}`)
  const share = (part: number) => Math.floor(orderIds.length * part)

  const placing = shop.place(orderIds)
  await Promise.all([fail(europe[0], shop, share(0.2), share(0.4)), fail(america, shop, share(0.6), share(0.8))])
  await placing
  tell(`all ${orderIds.length} orders are placed`)
  await until('every order is shipped, and the shop knows', () => shop.shipped.missing(orderIds).length === 0)
  tell('every order is shipped, and the shop knows')
  for (const instance of instances) {
    await until(`${instance.name} owes nothing`, async () => (await instance.backlog()) === 0)
  }

  const states = await Promise.all(orderIds.map((orderId) => shop.statusOf(orderId)))
  const letters = await Promise.all(instances.map((instance) => instance.deadLetters()))
  const report = {
    placed: shop.placed.size,
    shipped: warehouse.shipped.size,
    confirmed: shop.shipped.size,
    inState: states.filter((state) => state !== null && state !== undefined).length,
    lost: warehouse.shipped.missing(orderIds).length + shop.shipped.missing(orderIds).length,
    twice: warehouse.shipped.twice.length + shop.shipped.twice.length,
    repetitionsRecognised: shop.repetitions + warehouse.repetitions,
    deadLetters: letters.reduce((sum, total) => sum + total, 0),
  }
  await Promise.all([shop.close(), warehouse.close()])
  print(report)
  const isRight = [report.placed, report.shipped, report.confirmed, report.inState].every((n) => n === orderIds.length)
  if (!isRight || report.lost + report.twice + report.deadLetters > 0) process.exitCode = 1
} finally {
  await Promise.all(instances.map((instance) => instance.stop()))
  await rm(folder, { recursive: true, force: true })
}

function print(report: Readonly<Record<string, number>>): void {
  if (options.json) console.log(JSON.stringify(report))
  else for (const [what, count] of Object.entries(report)) console.log(`  ${words(what).padEnd(24)}${count}`)
}

function words(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}
