/**
 * Of each message there is one key, so that a script touches one slot of a cluster. Its value is `state token until`: a state
 * of `claimed`, `confirmed` or `released`, the token of the latest claim, and until when its lease lasts, in milliseconds
 * since the epoch by the clock of Redis.
 */
const READ = `
  local time = redis.call('TIME')
  local micros = time[1] * 1000000 + time[2]
  local now = math.floor(micros / 1000)
  local state, token, expiry = string.match(redis.call('GET', KEYS[1]) or '', '^(%a+) (%d+) (%d+)$')
  token, expiry = tonumber(token), tonumber(expiry)
  local function put(state, token, expiry, life)
    redis.call('SET', KEYS[1], string.format('%s %.0f %.0f', state, token, expiry), 'PX', life)
  end`

/** A token is greater than any before it: than the last that is known, and by the clock than those that are forgotten. */
const CLAIM = `${READ}
  local lease, ttl = tonumber(ARGV[1]), tonumber(ARGV[2])
  if state == 'confirmed' then return {'duplicate', '0'} end
  if state == 'claimed' and now < expiry then return {'busy', string.format('%.0f', expiry - now)} end
  token = math.max((token or 0) + 1, micros)
  put('claimed', token, now + lease, lease + ttl)
  return {'claimed', string.format('%.0f', token)}`

const EXTEND = `${READ}
  if state ~= 'claimed' or token ~= tonumber(ARGV[1]) then return 0 end
  put('claimed', token, now + tonumber(ARGV[2]), ARGV[2] + ARGV[3])
  return 1`

const CONFIRM = `${READ}
  if token ~= tonumber(ARGV[1]) or state == 'released' then return 0 end
  if state == 'claimed' then put('confirmed', token, 0, ARGV[2]) end
  return 1`

/** The token stays, so that the next one is greater. */
const RELEASE = `${READ}
  if state ~= 'claimed' or token ~= tonumber(ARGV[1]) then return 0 end
  put('released', token, 0, ARGV[2])
  return 1`

const FIND = `${READ}
  if state == 'confirmed' or (state == 'claimed' and now < expiry) then return state end
  return ''`

/** What a client is taught. The digest of each script is sent, and the script itself where Redis does not know it. */
export const SCRIPTS = Object.freeze({
  slipstreamDedupClaim: CLAIM,
  slipstreamDedupExtend: EXTEND,
  slipstreamDedupConfirm: CONFIRM,
  slipstreamDedupRelease: RELEASE,
  slipstreamDedupFind: FIND,
})

/** A client that was taught. */
export interface Scripted {
  slipstreamDedupClaim(key: string, leaseMs: number, ttlMs: number): Promise<[status: string, number: string]>
  slipstreamDedupExtend(key: string, token: number, leaseMs: number, ttlMs: number): Promise<number>
  slipstreamDedupConfirm(key: string, token: number, ttlMs: number): Promise<number>
  slipstreamDedupRelease(key: string, token: number, ttlMs: number): Promise<number>
  slipstreamDedupFind(key: string): Promise<string>
}
