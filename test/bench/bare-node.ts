/**
 * The limit: nothing but ws and better-sqlite3 with group commit, speaking the same plain frames with the window of the plain
 * level. No validation, no routes, no deduplication but a unique id, no repetition, no recovery, a backlog in memory: what
 * any durable hop in this language must at least do.
 *
 * Arguments: the path of its file, and the URL of the next hop if there is one.
 */
import Database from 'better-sqlite3'
import WebSocket, { WebSocketServer } from 'ws'
import { reportTo } from './child.ts'

const [file, nextHop] = process.argv.slice(2) as [string, string | undefined]

const database = new Database(file)
database.pragma('journal_mode = WAL')
database.pragma('synchronous = FULL')
database.pragma('locking_mode = EXCLUSIVE')
database.pragma('wal_autocheckpoint = 4000')
database.exec(`
  CREATE TABLE message (seq INTEGER PRIMARY KEY, id TEXT UNIQUE, text TEXT);
  CREATE TABLE delivery (seq INTEGER PRIMARY KEY) WITHOUT ROWID;
`)
const insertMessage = database.prepare('INSERT INTO message (seq, id, text) VALUES (?, ?, ?)')
const insertDelivery = database.prepare('INSERT INTO delivery (seq) VALUES (?)')
const deleteDelivery = database.prepare('DELETE FROM delivery WHERE seq = ?')

interface Arrival {
  readonly from: WebSocket
  readonly id: string
  readonly text: string
}

let arrivals: Arrival[] = []
let settled: number[] = []
let scheduled = false
let lastSeq = 0
let recipient: WebSocket | undefined
/** In flight at most, as the protocol has it (§6). */
const WINDOW = 64
const inFlight = new Map<string, number>()
const waiting: { readonly id: string; readonly seq: number; readonly text: string }[] = []
let nextWaiting = 0

const write = database.transaction((group: readonly Arrival[], done: readonly number[], first: number) => {
  group.forEach(({ id, text }, index) => {
    insertMessage.run(first + index, id, text)
    insertDelivery.run(first + index)
  })
  for (const seq of done) deleteDelivery.run(seq)
})

function turn(): void {
  scheduled = false
  const [group, done, first] = [arrivals, settled, lastSeq + 1]
  arrivals = []
  settled = []
  lastSeq += group.length
  write(group, done, first)
  group.forEach(({ from, id, text }, index) => {
    from.send(
      `{"type":"ACK","messageId":"${id}","originInstanceId":"bare","sourceInstanceId":"bare","messagePath":["bare"]}`,
    )
    waiting.push({ id, seq: first + index, text })
  })
  pump()
}

function pump(): void {
  while (recipient && inFlight.size < WINDOW && nextWaiting < waiting.length) {
    const { id, seq, text } = waiting[nextWaiting++] as (typeof waiting)[number]
    inFlight.set(id, seq)
    recipient.send(`{"sourceInstanceId":"bare","messagePath":["bare"],${text.slice(1)}`)
  }
}

function receive(from: WebSocket, text: string): void {
  const message = JSON.parse(text) as { type: string; messageId: string }
  if (message.type === 'ACK') {
    const seq = inFlight.get(message.messageId)
    if (seq !== undefined && inFlight.delete(message.messageId)) settled.push(seq)
    pump()
  } else {
    arrivals.push({ from, id: message.messageId, text })
  }
  if (scheduled) return
  scheduled = true
  setImmediate(turn)
}

if (nextHop) {
  recipient = new WebSocket(`${nextHop}?instanceId=bare`, { perMessageDeflate: false })
  recipient.on('message', (data) => receive(recipient as WebSocket, String(data)))
}
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false }, () => {
  const { port } = server.address() as { port: number }
  reportTo(`ws://127.0.0.1:${port}`)
})
server.on('connection', (socket, request) => {
  if (request.url?.includes('consumer')) recipient = socket
  socket.on('message', (data) => receive(socket, String(data)))
})
