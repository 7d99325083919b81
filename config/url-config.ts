/** Longest `URL_CONFIG`, in base64 characters; Linux passes no longer variable. */
export const MAX_URL_CONFIG_LENGTH = 131_072

const EXPECTED = 'must be the base64 of a JSON array such as [{"url":"wss://host:7070/","tags":[]}]'

/**
 * The list of peers in `URL_CONFIG`, not yet held against the schema; a string says what is wrong with it. The parser's
 * own words are left out: they quote what they stumbled over, and that may be a key or a token.
 */
export function decodeUrlConfig(text: string): readonly unknown[] | string {
  if (text.length > MAX_URL_CONFIG_LENGTH) return `must be at most ${MAX_URL_CONFIG_LENGTH} characters`
  const base64 = text.replaceAll(/\s/g, '')
  if (base64.startsWith('[')) return `${EXPECTED}. It is plain JSON: encode it with base64 -w0`
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(base64)) return `${EXPECTED}. It is not base64`
  const peers = parse(Buffer.from(base64, 'base64'))
  return Array.isArray(peers)
    ? peers
    : `${EXPECTED}. ${peers === undefined ? 'What it encodes is not JSON' : 'It is JSON, but not an array'}`
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
}
