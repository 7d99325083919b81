export interface Event {
  readonly at: number
  /** Breaks ties: of two events at one time, the one that was scheduled first comes first. */
  readonly order: number
  readonly label: string
  /** Undefined once it was cancelled. */
  run: (() => void) | undefined
}

/** What is going to happen, soonest first: a binary heap. */
export class EventHeap {
  readonly #events: Event[] = []

  push(event: Event): void {
    const events = this.#events
    let place = events.push(event) - 1
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (!isBefore(event, events[parent] as Event)) break
      events[place] = events[parent] as Event
      place = parent
    }
    events[place] = event
  }

  pop(): Event | undefined {
    const events = this.#events
    const first = events[0]
    const last = events.pop()
    if (last && events.length > 0) this.#sink(last)
    return first
  }

  #sink(event: Event): void {
    const events = this.#events
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child >= events.length) break
      if (child + 1 < events.length && isBefore(events[child + 1] as Event, events[child] as Event)) child++
      if (!isBefore(events[child] as Event, event)) break
      events[place] = events[child] as Event
      place = child
    }
    events[place] = event
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}
