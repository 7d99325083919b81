import { type HealthCheck, type Log, type Plugin, problemOf } from '../../../core/index.ts'

type Probe = HealthCheck['probe']

/** Which checks decide what a path answers. Those of `info` are shown by `/healthz` and decide nothing. */
const PATHS: Readonly<Record<string, { readonly shows: readonly Probe[]; readonly decides: readonly Probe[] }>> = {
  '/livez': { shows: ['live'], decides: ['live'] },
  '/readyz': { shows: ['live', 'ready'], decides: ['live', 'ready'] },
  '/healthz': { shows: ['live', 'ready', 'info'], decides: ['live', 'ready'] },
}

/**
 * The probes: `/livez` (restart it when it fails), `/readyz` (send it no traffic while it fails), `/healthz` (all of
 * it). 200 or 503, with one line for each check. It brings one check itself, `bus`: started, and not on its way down.
 */
export function health(): Plugin {
  return {
    name: 'health',
    requires: ['http'],
    apply(kernel) {
      const http = kernel.use('http')
      const run = runner(kernel.log)
      let started = false
      kernel.hooks.ready.tap(() => {
        started = true
      })
      kernel.healthCheck({
        name: 'bus',
        probe: 'ready',
        check: () => {
          if (kernel.draining) return { ok: false, detail: 'shutting down' }
          return started ? { ok: true } : { ok: false, detail: 'starting' }
        },
      })
      for (const [path, { shows, decides }] of Object.entries(PATHS)) {
        http.route('GET', path, { access: 'public' }, () => {
          const checks = kernel
            .healthChecks()
            .filter(({ probe }) => shows.includes(probe))
            .map(run)
          const ok = checks.every((check) => check.ok || !decides.includes(check.probe))
          return { status: ok ? 200 : 503, body: { status: ok ? 'ok' : 'failing', checks } }
        })
      }
    },
  }
}

/** Runs a check. One that throws has failed; the log says how, once until it works again, and the probe does not. */
function runner(log: Log) {
  const broken = new Set<string>()
  return (check: HealthCheck) => {
    const { name, probe } = check
    try {
      const { ok, detail } = check.check()
      broken.delete(name)
      return { name, probe, ok, detail }
    } catch (error) {
      if (!broken.has(name)) log.error('health check failed', { hook: name, reason: problemOf(error), error })
      broken.add(name)
      return { name, probe, ok: false, detail: 'the check itself failed; the log has the reason' }
    }
  }
}
