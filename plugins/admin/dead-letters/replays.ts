import { isUnfinished, type Kernel, type ReplayJob, SlipstreamError } from '../../../core/index.ts'
import type { Replays } from '../../delivery/replay.ts'
import type { Answer, HttpRequest } from '../http/index.ts'
import { HttpProblem } from '../http/problem.ts'
import { filterOf, jobsWish, numberIn, replayWish } from './selection.ts'

const DEFAULT_LIMIT = 100
/** Whoever asks for a replay is answered when it has ended, or after so long, in milliseconds. */
const ANSWER_WITHIN_MS = 5_000
/** As whom requests are known: whoever may write here may do all that an operator may. */
const OPERATOR = 'operator'

/** Hangs the paths of replay jobs under that of dead letters. */
export function serveReplays(kernel: Kernel, path: string): void {
  const http = kernel.use('http')
  const replays = kernel.use('replays')
  const read = { access: 'read' } as const
  const write = { access: 'write' } as const
  http.route('POST', `${path}/replay`, write, (request) => replay(kernel, replays, request))
  http.route('GET', `${path}/replays`, read, async (request) => ({ body: await list(replays, request) }))
  http.route('GET', `${path}/replays/:id`, read, async (request) => {
    return answer(await replays.show(numberIn(request)))
  })
  http.route('DELETE', `${path}/replays/:id`, write, async (request) => {
    return answer(await replays.cancel(numberIn(request), OPERATOR))
  })
}

async function replay(kernel: Kernel, replays: Replays, request: HttpRequest): Promise<Answer> {
  const { dryRun, perSecond, maxFailures, ...wish } = replayWish(request)
  const filter = filterOf(wish, kernel.runtime.now())
  if (dryRun) return { body: { ...(await replays.preview(filter)), replayed: 0 } }
  try {
    const { job, more, ended } = await replays.start({ by: OPERATOR, filter, perSecond, maxFailures })
    const { replayed, state } = (await inTime(kernel, ended)) ?? (await replays.show(job.id)) ?? job
    const body = { selected: job.total, more, replayed, job: job.id, state }
    return { status: isUnfinished({ state }) ? 202 : 200, body }
  } catch (error) {
    if (!(error instanceof SlipstreamError) || error.code !== 'SLP_REPLAY_QUEUE') throw error
    throw new HttpProblem(409, error.code, error.message)
  }
}

/** What it resolves to, unless the time of an answer comes first. */
function inTime<Result>({ runtime }: Kernel, promise: Promise<Result>): Promise<Result | undefined> {
  return new Promise((resolve) => {
    const timer = runtime.after(ANSWER_WITHIN_MS, () => resolve(undefined))
    void promise.then((result) => {
      timer.cancel()
      resolve(result)
    })
  })
}

async function list(replays: Replays, request: HttpRequest) {
  const { limit = DEFAULT_LIMIT, before = Number.POSITIVE_INFINITY } = jobsWish(request)
  const jobs = await replays.list()
  const older = jobs.filter(({ id }) => id < before)
  const items = older.slice(0, limit).map(shown)
  return { total: jobs.length, items, next: older.length > limit ? items.at(-1)?.id : undefined }
}

function answer(job: ReplayJob | undefined): Answer {
  if (!job) throw new HttpProblem(404, 'UNKNOWN', 'no replay job has this number')
  return { body: shown(job) }
}

function shown({ createdAt, endedAt, ...job }: ReplayJob) {
  const ended = endedAt === undefined ? {} : { endedAt: new Date(endedAt).toISOString() }
  return { ...job, createdAt: new Date(createdAt).toISOString(), ...ended }
}
