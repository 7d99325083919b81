/** One line of `/healthz`. */
export interface HealthCheck {
  /** Short and stable, such as `store`. */
  readonly name: string
  /**
   * What it speaks for: `live` (broken for good: restart the process) or `ready` (cannot take traffic now).
   * A check that is neither only informs.
   */
  readonly probe: 'live' | 'ready' | 'info'
  /** Quick and without side effects: probes ask several times a second. */
  check(): HealthReport
}

export interface HealthReport {
  readonly ok: boolean
  /** What a person on call should know. Never a value or a secret. */
  readonly detail?: string
}
