import { FanOutLog } from '../../core/log.ts'
import { systemRuntime } from '../../core/runtime/system.ts'
import { messageMaker } from '../../core/testing/messages.ts'
import { SqliteStore } from '../../plugins/stores/sqlite/index.ts'

/**
 * A process to be killed: writes messages 1, 2, 3 … for the recipient `aws` into the file that it is given, and prints the
 * number of the last one each time the store has reported a batch as stored.
 */
const BATCH = 10
const store = new SqliteStore({ path: process.argv[2] ?? '', maxBytes: 1024 ** 3, log: new FanOutLog() })
await store.open({ runtime: systemRuntime, instanceId: undefined })
const aws = await store.saveRecipient({
  name: 'aws',
  role: 'instance',
  tags: [],
  clusterGroupId: undefined,
  url: undefined,
  lastSeenAt: 0,
})
const message = messageMaker()

for (let last = BATCH; ; last += BATCH) {
  const entries = Array.from({ length: BATCH }, () => ({ message: message(), recipients: [aws] }))
  const verdicts = await store.write({ entries, settlements: [], retries: [], deaths: [] })
  if (verdicts.some(({ status }) => status !== 'stored')) process.exit(1)
  await new Promise((resolve) => process.stdout.write(`${last}\n`, resolve))
}
