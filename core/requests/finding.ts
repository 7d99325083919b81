/** What one instance knows of what was asked. Texts are JSON, as they were published. */
export interface Finding {
  /** Who knows it; undefined when a peer does not say. */
  readonly instanceId: string | undefined
  /** `null` when there is nothing (any more). */
  readonly value: string
  /** Stamp of the write that made it so; undefined when nothing was ever written. */
  readonly version: string | undefined
}

/** Which answers make up the reply to a request (§1 of the protocol). */
export type Consistency = 'local' | 'first' | 'newest' | 'all'

/** The finding that was written last; one of nothing when nobody has found anything. */
export function newestOf(findings: readonly Finding[]): Finding | undefined {
  return findings.reduce<Finding | undefined>((best, one) => {
    return best && (best.version ?? '') >= (one.version ?? '') ? best : one
  }, undefined)
}

/** The members of a REPLY that say this. */
export function printFindings(findings: readonly Finding[], consistency: Consistency, complete: boolean): string {
  const rest = `"complete":${complete}`
  if (consistency === 'all') return `"values":[${findings.map(printItem).join(',')}],${rest}`
  const best = newestOf(findings)
  if (!best) return rest
  const { value, version } = best
  return `"value":${value}${version === undefined ? '' : `,"version":"${version}"`},${rest}`
}

function printItem({ instanceId, value, version }: Finding): string {
  const who = instanceId === undefined ? '' : `"instanceId":"${instanceId}",`
  return `{${who}"value":${value}${version === undefined ? '' : `,"version":"${version}"`}}`
}
