import type { DeadLetter, DeadLetterId, Kernel, Plugin } from '../../../core/index.ts'
import type { Answer, HttpRequest } from '../http/index.ts'
import { HttpProblem } from '../http/problem.ts'
import { discardInChunks, select } from './discard.ts'
import { serveReplays } from './replays.ts'
import { changeWish, filterOf, listWish, numberIn, REASONS, wantsValue } from './selection.ts'

const PATH = '/api/v1/dead-letters'
const DEFAULT_LIMIT = 100

/**
 * Deliveries that were given up, to be looked at (without their values), replayed and discarded: `/api/v1/dead-letters`,
 * `…/:id`, `…/groups`, `…/replay`, `…/replays`. A replay brings the messages with their original ids to the recipients that
 * they were for.
 */
export function deadLettersApi(): Plugin {
  return {
    name: 'dead-letters-api',
    requires: ['http', 'replay'],
    apply(kernel) {
      const http = kernel.use('http')
      const read = { access: 'read' } as const
      http.route('GET', PATH, read, async (request) => ({ body: await list(kernel, request) }))
      http.route('GET', `${PATH}/groups`, read, async () => ({ body: await groups(kernel) }))
      http.route('DELETE', PATH, { access: 'write' }, async (request) => ({ body: await discard(kernel, request) }))
      serveReplays(kernel, PATH)
      // Last, because its path fits the others, too.
      http.route('GET', `${PATH}/:id`, read, (request) => show(kernel, request))
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

async function show({ deadLetters, log }: Kernel, request: HttpRequest): Promise<Answer> {
  const id: DeadLetterId = numberIn(request)
  const withValue = wantsValue(request)
  if (withValue && !request.local) throw new HttpProblem(403, 'FORBIDDEN', VALUE_ELSEWHERE)
  const [letter] = (await deadLetters.list({ ids: [id] }, { limit: 1 })).items
  if (!letter) throw new HttpProblem(404, 'UNKNOWN', 'no dead letter has this number')
  const value = withValue ? await deadLetters.value(id) : undefined
  if (value === undefined) return { body: shown(letter) }
  log.message('dead letter shown with its value', { ...(letter.messageId && { messageId: letter.messageId }) })
  // Spliced in, because printing it anew would change numbers that JavaScript cannot hold.
  return { text: `${JSON.stringify(shown(letter)).slice(0, -1)},"value":${value}}\n` }
}

const VALUE_ELSEWHERE = 'a value is shown to its own machine only; ask there, at a loopback address'

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

/** The selection is fixed before the first one is discarded. */
async function discard(kernel: Kernel, request: HttpRequest) {
  const wish = changeWish(request)
  const selection = await select(kernel, filterOf(wish, kernel.runtime.now()))
  const discarded = wish.dryRun ? 0 : await discardInChunks(kernel, selection)
  return { selected: selection.ids.length, more: selection.more, discarded }
}
