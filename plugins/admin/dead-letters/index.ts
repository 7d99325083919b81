import type { DeadLetter, Kernel, Plugin } from '../../../core/index.ts'
import type { HttpRequest } from '../http/index.ts'
import { applyInChunks, type Change, select } from './change.ts'
import { changeWish, filterOf, listWish, REASONS } from './selection.ts'

const PATH = '/api/v1/dead-letters'
const DEFAULT_LIMIT = 100

/**
 * Deliveries that were given up, to be looked at (without their values), replayed and discarded: `/api/v1/dead-letters`,
 * `…/groups`, `…/replay`. A replay brings the messages with their original ids to the recipients that they were for.
 */
export function deadLettersApi(): Plugin {
  return {
    name: 'dead-letters-api',
    requires: ['http'],
    apply(kernel) {
      const http = kernel.use('http')
      const read = { access: 'read' } as const
      const write = { access: 'write' } as const
      http.route('GET', PATH, read, async (request) => ({ body: await list(kernel, request) }))
      http.route('GET', `${PATH}/groups`, read, async () => ({ body: await groups(kernel) }))
      http.route('POST', `${PATH}/replay`, write, async (request) => ({ body: await replay(kernel, request) }))
      http.route('DELETE', PATH, write, async (request) => ({ body: await discard(kernel, request) }))
    },
  }
}

async function list({ deadLetters, runtime }: Kernel, request: HttpRequest) {
  const { limit = DEFAULT_LIMIT, after = 0, ...wish } = listWish(request)
  // One more than asked for tells whether there is a next page.
  const page = await deadLetters.list(filterOf(wish, runtime.now()), { after, limit: limit + 1 })
  const items = page.items.slice(0, limit).map(shown)
  return { total: page.total, items, next: page.items.length > limit ? items.at(-1)?.id : undefined }
}

function shown({ diedAt, ...letter }: DeadLetter) {
  return { ...letter, diedAt: new Date(diedAt).toISOString() }
}

async function groups({ deadLetters, ledger }: Kernel) {
  const count = async (filter: Parameters<typeof deadLetters.list>[0]) =>
    (await deadLetters.list(filter, { limit: 0 })).total
  const items = []
  for (const { recipient } of ledger()) {
    if ((await count({ recipient })) === 0) continue
    for (const reason of REASONS) {
      const total = await count({ recipient, reason })
      if (total > 0) items.push({ recipient, reason, total })
    }
  }
  return { total: items.length, items }
}

async function replay(kernel: Kernel, request: HttpRequest) {
  const { deadLetters } = kernel
  const event = 'dead letters replayed'
  const { count, ...selected } = await changed(kernel, request, { event, apply: (ids) => deadLetters.replay(ids) })
  return { ...selected, replayed: count }
}

async function discard(kernel: Kernel, request: HttpRequest) {
  const { deadLetters } = kernel
  const event = 'dead letters discarded'
  const { count, ...selected } = await changed(kernel, request, { event, apply: (ids) => deadLetters.discard(ids) })
  return { ...selected, discarded: count }
}

/** The selection is fixed before the first one is changed. */
async function changed(kernel: Kernel, request: HttpRequest, change: Change) {
  const wish = changeWish(request)
  const selection = await select(kernel, filterOf(wish, kernel.runtime.now()))
  const count = wish.dryRun ? 0 : await applyInChunks(kernel, selection, change)
  return { selected: selection.ids.length, more: selection.more, count }
}
