/** A time with its unit, and what it comes from. */
interface TimeOf {
  readonly time: string
  readonly from: string
}

/**
 * Every error that slipstream raises on purpose, by code. The message holds the remedy; `core/README.md` has a row for
 * each, and a test counts them.
 */
const TEXTS = {
  SLP_PLUGIN_INVALID: (what: string) =>
    `${what} is not a plugin: it needs a name and apply(kernel). A factory must be called: plugins: [factory()].`,
  SLP_PLUGIN_DUPLICATE: (name: string) =>
    `Two plugins are named "${name}". Load it once, or give one of them another name.`,
  SLP_PLUGIN_REQUIRES: (name: string, missing: string) =>
    `Plugin "${name}" needs "${missing}" to be loaded before it. Add it, or move it further up in plugins.`,
  SLP_PLUGIN_VERSION: (name: string, range: string, version: string) =>
    `Plugin "${name}" works with slipstream ${range}, this is ${version}. Install a version of the plugin that accepts ${version}.`,
  SLP_PLUGIN_OPTIONS: (name: string, problem: string) => `Options of plugin "${name}" are wrong: ${problem}.`,
  SLP_PLUGIN_FAILED: (name: string, hook: string, problem: string) => `[${name}] ${hook}: ${problem}`,
  SLP_PLUGIN_TIMEOUT: (name: string, hook: string, milliseconds: number) =>
    `[${name}] ${hook} did not finish within ${milliseconds} ms. Make it quicker, or raise the budget in settings.tapBudgetMs.`,
  SLP_PLUGIN_LATE: (name: string) =>
    `Plugin "${name}" registered something after the bus had started. Register everything in apply().`,
  SLP_TYPE_TAKEN: (type: string, owner: string) =>
    `Message type "${type}" is registered by "${owner}" already. Load one of the two plugins.`,
  SLP_TYPE_SCHEMA: (type: string, problem: string) =>
    `The schema of message type "${type}" does not compile: ${problem}.`,
  SLP_STORE_MISSING: () =>
    'No plugin provides a store, so nothing could be acknowledged. Add standard(), sqlite() or memory() to plugins.',
  SLP_STORE_TAKEN: (owner: string) => `The store is provided by "${owner}" already. Load one store.`,
  SLP_STORE_IN_USE: (path: string) =>
    `${path} is in use by another process. Stop that instance, or give this one a file of its own (SLIPSTREAM_STORAGE_PATH).`,
  SLP_STORE_UNSAFE: (what: string) =>
    `The store cannot promise durability: ${what}. It refuses to start rather than acknowledge what it may lose.`,
  SLP_STORE_NEWER: (found: number, known: number) =>
    `The store was written by a newer slipstream (schema ${found}, this one knows ${known}). Start that version again, or restore a backup made before the upgrade.`,
  SLP_STORE_FAILED: (problem: string) =>
    `The store failed: ${problem}. What it was given is not acknowledged, and publishers repeat it; the instance goes on by itself when the cause is gone.`,
  SLP_STORE_LOST: (problem: string) =>
    `The store cannot be trusted any more: ${problem}. Nothing is acknowledged; check the disk, then start again on the same file.`,
  SLP_STORE_NODE: (version: string, node: string) =>
    `better-sqlite3 ${version} would crash on Node ${node}, which has no Node-API 10. Install better-sqlite3@12, or run Node 22.14 or later.`,
  SLP_STATE_TAKEN: (owner: string) => `State is kept by "${owner}" already. Load one state backend.`,
  SLP_STATE_MISSING: (type: string) =>
    `Messages of type "${type}" want to be kept as state, and no plugin keeps it. Add a state backend to plugins, or let the type declare its merge: then it is not applied where there is none.`,
  SLP_STATE_FAILED: (problem: string) =>
    `The state backend failed: ${problem}. What it was given is applied again; the instance goes on by itself when the cause is gone.`,
  SLP_STATE_UNAVAILABLE: (problem: string) =>
    `The state backend is away: ${problem}. What is to be applied waits on disk, and goes on by itself when it is back.`,
  SLP_REDIS_CLIENT: () =>
    'The Redis backend needs the package ioredis, which is not found. Install it: npm install ioredis',
  SLP_REDIS_EVICTION: (policy: string) =>
    `This Redis evicts keys when it is full (maxmemory-policy ${policy}), so applications would miss what was written. Set it to noeviction, or to a volatile policy.`,
  SLP_STATE_CONTENDED: (tries: number) =>
    `A key was changed by somebody else ${tries} times while it was updated. The message is applied again later; let a type that is written so often declare a join instead.`,
  SLP_RECIPIENT_UNKNOWN: (name: string) => `No recipient is named "${name}". Save it first, or correct the name.`,
  SLP_INSTANCE_ID_CHANGED: (stored: string, wished: string) =>
    `This store belongs to instance "${stored}", the configuration asks for "${wished}". Remove the setting, or start with an empty store.`,
  SLP_INSTANCE_ID_INVALID: () => 'An instance id is 1 to 128 of the characters A-Z a-z 0-9 . _ : -',
  SLP_WINDOW_TOO_SHORT: (subject: string, window: TimeOf, repetition: TimeOf) =>
    `${subject}: repetitions may come for ${repetition.time} (${repetition.from}), but are recognised for ` +
    `${window.time} only (${window.from}): later ones would be taken for something new. Make it longer than ` +
    `${repetition.time}, or let repetitions end before ${window.time}.`,
  SLP_WINDOW_NOT_KEPT: (subject: string, kept: TimeOf, needed: TimeOf) =>
    `${subject}: repetitions are to be recognised for ${needed.time} (${needed.from}), but what tells them is kept for ` +
    `${kept.time} only (${kept.from}). Keep it for ${needed.time}, or recognise them for ${kept.time}.`,
  SLP_SERVICE_MISSING: (name: string) =>
    `No plugin that is loaded so far provides the service "${name}". Load its provider first.`,
  SLP_SERVICE_TAKEN: (name: string) => `The service "${name}" is provided already. Load one of its providers.`,
  SLP_PEER_CONFIGURED: (name: string) =>
    `"${name}" is a peer of the configuration. Remove it there first; it would be back at once.`,
  SLP_REPLAY_QUEUE: (jobs: number) =>
    `${jobs} replay jobs have not ended yet. Wait until one has, or cancel those that are not needed; then replay again.`,
  SLP_COMMAND_TAKEN: (name: string) =>
    `The command "${name}" is registered already. Load one of the two plugins, or give one of the commands another name.`,
  SLP_COMMAND_INVALID: (name: string, problem: string) => `The command "${name}" cannot be registered: ${problem}.`,
  SLP_DEDUP_OPTIONS: (problem: string) => `An option of the deduplicator is wrong: ${problem}.`,
  SLP_DEDUP_MESSAGE: (member: string) =>
    `A message cannot be known again by its ${member}, which must be 1 to 128 of the characters A-Z a-z 0-9 . _ : - as in everything that the bus delivers.`,
  SLP_DEDUP_FAILED: (problem: string) =>
    `What was handled cannot be read or written: ${problem}. Do not acknowledge the message: it comes again, and is recognised if it was confirmed.`,
  SLP_DEDUP_FULL: (entries: number) =>
    `All ${entries} entries are held by claims. Do not acknowledge the message: it comes again. Handle fewer at once, or raise maxEntries.`,
  SLP_DEDUP_LOST: (messageId: string) =>
    `The claim of message ${messageId} is not this one's any more: somebody else has claimed it, or it was given back. Do not acknowledge it; if handling takes longer than the lease, raise leaseMs.`,
  SLP_DEDUP_EVICTION: (policy: string) =>
    `This Redis evicts keys when it is full (maxmemory-policy ${policy}), and messages would be handled again. Set it to noeviction.`,
  SLP_TRANSPORT_UNKNOWN: (url: string) =>
    `No transport dials ${url}. Use ws:// or wss://, or load a plugin that speaks this protocol.`,
  SLP_LISTEN: (address: string, problem: string) =>
    `Cannot listen on ${address}: ${problem}. Choose another host or port.`,
  SLP_DIAL: (address: string, problem: string) =>
    `Cannot connect to ${address}: ${problem}. It is dialled again; if this stays, check the peer's url, certificates and token, and whether it listens.`,
  SLP_ROUTE_TAKEN: (method: string, path: string) =>
    `${method} ${path} is served by another plugin already. Load one of the two plugins.`,
  SLP_TOKEN_FILE: (file: string, problem: string) =>
    `The admin token in ${file} cannot be used: ${problem}. It takes 32 to 4096 bytes that only their owner may read: openssl rand -hex 32 > ${file}; chmod 600 ${file}`,
  SLP_INSECURE: (what: string) =>
    `${what}. Configure TLS (SLIPSTREAM_TLS_CERT, SLIPSTREAM_TLS_KEY), stay on loopback, or set SLIPSTREAM_ALLOW_INSECURE=true if the network is trusted.`,
  SLP_TLS: (what: string) => `TLS cannot be set up: ${what}.`,
  SLP_CONFIG_MISSING: (file: string) =>
    `There is no configuration file ${file}. Correct the name (--config, SLIPSTREAM_CONFIG), or leave it out to run the defaults.`,
  SLP_CONFIG_EMPTY: (file: string) =>
    `${file} holds no configuration. Export an object from it (export default defineConfig({})), or remove the file.`,
  SLP_CONFIG_FAILED: (file: string, problem: string) => `${file} cannot be loaded: ${problem}. Nothing was started.`,
  SLP_CONFIG_INVALID: (file: string, problems: readonly string[]) =>
    `${file} is wrong:\n- ${problems.join('\n- ')}\nconfig/README.md lists every option.`,
  SLP_CONFIG_ENV: (problems: readonly string[]) =>
    `The environment is wrong. Correct or unset:\n- ${problems.join('\n- ')}`,
  SLP_CONFIG_FLAG: (problems: readonly string[]) => `The command line is wrong:\n- ${problems.join('\n- ')}`,
  SLP_CONFIG_INCONSISTENT: (problems: readonly string[]) =>
    `The configuration contradicts itself:\n- ${problems.join('\n- ')}`,
  SLP_CONFIG_PLUGIN_MISSING: (name: string, folder: string, packageName: string) =>
    `Plugin "${name}" is not found from ${folder}. Install it there: npm install ${packageName}`,
  SLP_CONFIG_PLUGIN_PATH: (name: string, folder: string) =>
    `Plugin "${name}" is not found from ${folder}. Correct the path in plugins.`,
  SLP_CONFIG_PLUGIN_FACTORY: (name: string, found: string) =>
    `Plugin "${name}" has no factory: its default export is ${found}, and must be a function (options) => plugin.`,
  SLP_CONFIG_PLUGIN_FAILED: (name: string, problem: string) => `Plugin "${name}" cannot be made: ${problem}.`,
  SLP_CONFIG_PLUGIN_ENTRY: (place: string, found: string) =>
    `${place} is ${found}. An entry is a plugin, a name, [name, options], a list of entries, or false.`,
  SLP_UNREACHABLE: (url: string, problem: string) =>
    `${url} cannot be reached: ${problem}. Start an instance there (slipstream start), or name another one with --url.`,
  SLP_UNACKNOWLEDGED: (messageId: string, problem: string) =>
    `Message ${messageId} was not acknowledged: ${problem}. It may be stored or not; send it again with the same id.`,
  SLP_SUBSCRIPTION_REFUSED: (code: string, reason: string) =>
    `The instance did not narrow what it sends (${code}): ${reason}. Correct the filter, or leave it out.`,
  SLP_BUS_STATE: (what: string) => `The bus ${what}.`,
} as const

export type ErrorCode = keyof typeof TEXTS
type Arguments<Code extends ErrorCode> = Parameters<(typeof TEXTS)[Code]>

export interface ErrorDetails {
  readonly cause?: unknown
  /** Whose fault it is, when it is a plugin's. */
  readonly plugin?: string
  readonly hook?: string
}

/** An error with a stable code, a message that says what to do, and the cause kept. */
export class SlipstreamError extends Error {
  override readonly name = 'SlipstreamError'
  readonly code: string
  readonly plugin: string | undefined
  readonly hook: string | undefined

  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.plugin = details.plugin
    this.hook = details.hook
  }
}

/** The error of that code. */
export function slipstreamError<Code extends ErrorCode>(
  code: Code,
  parts: Arguments<Code>,
  details: ErrorDetails = {},
): SlipstreamError {
  const text = TEXTS[code] as (...parts: Arguments<Code>) => string
  return new SlipstreamError(code, text(...parts), details)
}

/** All codes, for the test that holds documentation and table together. */
export const errorCodes = Object.freeze(Object.keys(TEXTS)) as readonly ErrorCode[]

/** What went wrong, in one line, whatever was thrown. */
export function problemOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
