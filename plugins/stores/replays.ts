/** Replay jobs that have ended are remembered, the newest ones, up to this number: what was done can be looked up. */
export const KEPT_REPLAYS = 1_000
