/** The public API of slipstream: all that a plugin, built in or a stranger's, may use of the kernel. */
export { backoff } from './backoff.ts'
export { type Bus, type BusOptions, createBus } from './bus.ts'
export type { Clocks } from './clocks.ts'
export type { DeadLetters } from './dead-letters.ts'
export type { DedupBackend, DedupContext, DedupVerdict } from './dedup.ts'
export type { Deliveries } from './deliveries.ts'
export type { LinkCircuit } from './dialer.ts'
export { errorText } from './error-text.ts'
export { type ErrorCode, type ErrorDetails, errorCodes, problemOf, SlipstreamError, slipstreamError } from './errors.ts'
export type {
  Acknowledgement,
  Applied,
  Arrival,
  DeadLettered,
  DueCause,
  DueDelivery,
  Forwarding,
  Receipt,
  Refusal,
  Settled,
} from './events.ts'
export type { Execution, ExecutionClaim, ExecutionEnding, Executions } from './execution.ts'
export type { GuardedHook, GuardedHooks } from './guard.ts'
export type { HealthCheck, HealthReport } from './health.ts'
export type { HookName, Hooks } from './hooks.ts'
export {
  type Accept,
  CloseCode,
  type Connection,
  type ConnectionHandlers,
  type Introduce,
  type Introduction,
  type Lane,
  type PeerSettings,
  type Transport,
} from './link.ts'
export type { Link } from './links.ts'
export type { Log, LogFields, LogLevel, LogSink } from './log.ts'
export {
  type BodyOf,
  type Message,
  type MessageTypes,
  messageKey,
  type Sequence,
  SINGLETON_GROUP,
  type TypeName,
} from './message.ts'
export type {
  Answer,
  AnswerContext,
  ApplyContext,
  DirectType,
  MessageType,
  RequestType,
  StoredType,
} from './message-type.ts'
export { type Kernel, type Plugin, type PluginReport, type Services, Stage, type WindowDeclarations } from './plugin.ts'
export { checkPlugins } from './plugins.ts'
export type { Codec } from './protocol/codec.ts'
export { type NackCode, ProtocolFault } from './protocol/fault.ts'
export { DEFAULT_PRIORITY, ID_PATTERN, isId, MAX_PRIORITY } from './protocol/fields.ts'
export type { Hello } from './protocol/hello.ts'
export {
  entryLimits,
  type FrameLimits,
  type Level,
  linkLimits,
  MAX_LINKED_FRAME_BYTES,
  MAX_PATH_LENGTH,
  SUBPROTOCOLS,
  type Window,
} from './protocol/limits.ts'
export type { Received } from './protocol/received.ts'
export { type Member, scanItems, scanMembers } from './protocol/scan.ts'
export { type Reach, reachable } from './reach.ts'
export { Recent } from './recent.ts'
export type { Recipient } from './recipient.ts'
export {
  type FrozenReplay,
  isUnfinished,
  type ReplayEnding,
  type ReplayId,
  type ReplayJob,
  type ReplayOrder,
  type ReplayState,
  type SelectedLetter,
} from './replay.ts'
export type { Consistency } from './requests/finding.ts'
export type { Outcome } from './requests/outcome.ts'
export type { Replies } from './requests/requests.ts'
export type { Answered, Kept, Outcomes } from './requests/ways-back.ts'
export type { Exclusion, Route, RouteReason } from './route.ts'
export type { Runtime, Timer } from './runtime/runtime.ts'
export { systemRuntime } from './runtime/system.ts'
export type { BodySchema } from './schema.ts'
export { SELF } from './self.ts'
export { defaultSettings, type Settings } from './settings.ts'
export { type Bearer, isForBearer, isForSome, partOf, publicPart, stampOf } from './state/audience.ts'
export { bucketOf, type Digest, digestOf, digestOfMember, NO_DIGEST, xor } from './state/digest.ts'
export { isSameEntry, type Joined, type JoinedBy, type JoinTexts, join, weightsOf } from './state/join.ts'
export { isLive, remembers, tombstonesIn, withoutTombstones, withoutUnmatched } from './state/tombstones.ts'
export type { MemberChange, StateChange, TypeState } from './state/type-state.ts'
export type { StateUpkeep } from './state/upkeep.ts'
export {
  BUCKETS,
  SHARED_SPACE,
  type StateBackend,
  type StateContext,
  type StateEntry,
  type StateKey,
  type StateLimit,
  type StateOutcome,
  type StateReader,
  type StateStatistics,
  type TombstoneEntry,
  type ValueEntry,
  type WeightedMember,
  type WeightsEntry,
} from './state.ts'
export type {
  Attempts,
  Batch,
  Collapsed,
  DeadLetter,
  DeadLetterFilter,
  DeadLetterId,
  DeadLetterList,
  DeadLetterPage,
  DeadReason,
  Death,
  DeliveryChanges,
  DueMessages,
  Entry,
  Joining,
  LanePlaces,
  LedgerRow,
  PendingDelivery,
  PendingLimit,
  Purged,
  PurgeLimits,
  RecipientKey,
  RecipientRecord,
  Retry,
  RevivedDelivery,
  SavedRecipient,
  ScheduledKey,
  ScheduledMessage,
  Settlement,
  Shed,
  Spaces,
  Store,
  StoreContext,
  StoredMessage,
  StoreState,
  StoreStatistics,
  StoreVerdict,
  Weighed,
} from './store.ts'
export type { Subscription } from './subscription.ts'
export { VERSION } from './version.ts'
export { DELETIONS, EXECUTION_IDS, PUBLISHER_IDS } from './windows.ts'
