import type { Answered, Codec, Durable, FrameEvents, Lane, OnItsWay } from './codec.ts'
import { ProtocolFault } from './fault.ts'
import { FrameWriter } from './frame-writer.ts'
import type { Hello } from './hello.ts'
import { PLAIN_WINDOW, type Window } from './limits.ts'
import type { AckLine, NackLine, Refused, Target } from './line.ts'
import {
  endsFrame,
  inRanges,
  printAck,
  printCredit,
  printHello,
  printMessage,
  printNack,
  printPulse,
} from './print-line.ts'
import { readLine, splitFrame } from './read-frame.ts'
import { Sent } from './sent.ts'

export interface LinkedCodecContext {
  /** Whose name ends the path of what is sent; undefined: paths stay as they are. */
  readonly name: string | undefined
  /** Whether the other end is told for how many recipients a message is, and that it was there already. */
  readonly tellsMore: boolean
  send(frame: string, lane: Lane): void
  /** Runs a task at the end of this turn. */
  defer(task: () => void): void
  /** Of a text in UTF-8. */
  byteLength(text: string): number
}

interface Answer {
  readonly recipients?: number
  readonly duplicate?: boolean
}

interface Refusal {
  readonly number: number
  readonly answer: Refused
}

/**
 * The linked level on one connection: whatever is said in one turn becomes as few frames as possible, answers in ranges and
 * ahead of messages.
 */
export class LinkedCodec implements Codec {
  readonly level = 'linked'
  readonly #context: LinkedCodecContext
  readonly #writers: { readonly [Name in Lane]: FrameWriter }
  readonly #sent = new Sent()
  #acks: { readonly number: number; readonly answer: Answer }[] = []
  #refusals: Refusal[] = []
  #window: Window = PLAIN_WINDOW
  #flushesSoon = false

  constructor(context: LinkedCodecContext) {
    this.#context = context
    const writer = (lane: Lane) => new FrameWriter((frame) => context.send(frame, lane))
    this.#writers = { control: writer('control'), bulk: writer('bulk') }
  }

  get window(): Window {
    return this.#window
  }

  get waitingBytes(): number {
    return this.#writers.control.bytes + this.#writers.bulk.bytes
  }

  deliver(message: OnItsWay): number {
    return this.#message(this.#sent.add(message.messageId), message, 'bulk')
  }

  pass(message: OnItsWay, lane: Lane): void {
    this.#message(0, message, lane)
  }

  say(frame: string, lane: Lane): void {
    this.#line(printMessage(0, [], frame), lane, endsFrame(frame))
  }

  acknowledge({ messageId, number = 0, status, recipients }: Durable): void {
    const answer = this.#context.tellsMore ? { recipients, duplicate: status === 'duplicate' } : {}
    if (number > 0) {
      this.#acks.push({ number, answer })
      this.#soon()
    } else {
      for (const line of printAck([{ target: { id: messageId }, ...answer }])) this.#line(line, 'control')
    }
  }

  refuse({ messageId, number = 0 }: Answered, refused: Refused): void {
    if (number > 0) {
      this.#refusals.push({ number, answer: refused })
      this.#soon()
    } else {
      const target = messageId === undefined ? '*' : { id: messageId }
      for (const line of printNack([target], refused)) this.#line(line, 'control')
    }
  }

  introduce(hello: Hello): void {
    this.#line(printHello(hello), 'control')
  }

  pulse(time: number, agrees: number, { messages, bytes }: Window): void {
    this.#line(printPulse(time, agrees), 'control')
    this.#line(printCredit(messages, bytes), 'control')
  }

  read(frame: string, bytes: number, events: FrameEvents): void {
    const isAscii = bytes === frame.length
    for (const line of this.#split(frame, events)) {
      try {
        this.#read(line, isAscii, events)
      } catch (error) {
        if (!(error instanceof ProtocolFault)) throw error
        events.fault(error)
      }
    }
  }

  /** Answers first: they go ahead of what they answer with. */
  flush(): void {
    this.#flushAnswers()
    this.#writers.control.flush()
    this.#writers.bulk.flush()
    this.#flushesSoon = false
  }

  #message(number: number, { path, text }: OnItsWay, lane: Lane): number {
    const { name } = this.#context
    const passed = name === undefined ? path : [...path, name]
    return this.#line(printMessage(number, passed, text), lane, endsFrame(text))
  }

  #line(line: string, lane: Lane, isLast = false): number {
    const bytes = this.#context.byteLength(line)
    this.#writers[lane].add(line, bytes, isLast)
    this.#soon()
    return bytes
  }

  #soon(): void {
    if (this.#flushesSoon) return
    this.#flushesSoon = true
    this.#context.defer(() => {
      if (this.#flushesSoon) this.flush()
    })
  }

  #flushAnswers(): void {
    const [acks, refusals] = [this.#acks, this.#refusals]
    this.#acks = []
    this.#refusals = []
    const acked = inRanges(acks, (one, other) => {
      return one.recipients === other.recipients && one.duplicate === other.duplicate
    })
    for (const line of printAck(acked.map(({ target, answer }) => ({ target, ...answer })))) this.#line(line, 'control')
    for (const { target, answer } of inRanges(refusals, isSameRefusal)) {
      for (const line of printNack([target], answer)) this.#line(line, 'control')
    }
  }

  #split(frame: string, events: FrameEvents): readonly string[] {
    try {
      return splitFrame(frame)
    } catch (error) {
      if (!(error instanceof ProtocolFault)) throw error
      events.fault(error)
      return []
    }
  }

  #read(text: string, isAscii: boolean, events: FrameEvents): void {
    const line = readLine(text)
    switch (line?.kind) {
      case 'message':
        events.message(line.text, isAscii ? line.text.length : this.#context.byteLength(line.text), line)
        break
      case 'ack':
        this.#acknowledged(line, events)
        break
      case 'nack':
        this.#refused(line, events)
        break
      case 'credit':
        this.#window = line
        events.granted()
        break
      case 'pulse':
        events.pulse(line.time, line.agrees)
        break
      case 'hello':
        events.hello(line.hello)
        break
    }
  }

  #acknowledged({ acked }: AckLine, events: FrameEvents): void {
    for (const { target, ...told } of acked) for (const id of this.#take(target)) events.acknowledged(id, told)
  }

  #refused(line: NackLine, events: FrameEvents): void {
    for (const target of line.targets) {
      for (const id of target === '*' ? [undefined] : this.#take(target)) events.refused(id, line)
    }
  }

  #take(target: Target): readonly string[] {
    return 'id' in target ? [target.id] : this.#sent.take(target)
  }
}

function isSameRefusal(one: Refused, other: Refused): boolean {
  return (
    one.code === other.code &&
    one.reason === other.reason &&
    one.retryable === other.retryable &&
    one.retryAfterMs === other.retryAfterMs
  )
}
