/** What is kept for those who are away, all together: so many frames, and so many bytes. Beyond that the oldest are dropped. */
const MAX_FRAMES = 1_000
const MAX_CHARACTERS = 4 * 1024 ** 2

/** Answers for those who are away for the moment. In memory: who asks again is answered again. */
export class Unsent {
  #frames: { readonly name: string; readonly frame: string }[] = []
  #characters = 0

  keep(name: string, frame: string): void {
    this.#frames.push({ name, frame })
    this.#characters += frame.length
    while (this.#frames.length > MAX_FRAMES || this.#characters > MAX_CHARACTERS) {
      this.#characters -= this.#frames.shift()?.frame.length ?? 0
    }
  }

  /** Takes out what is kept for whoever bears that name, oldest first. */
  take(name: string | undefined): readonly string[] {
    if (this.#frames.length === 0) return []
    const taken = this.#frames.filter((one) => one.name === name)
    this.#frames = this.#frames.filter((one) => one.name !== name)
    for (const { frame } of taken) this.#characters -= frame.length
    return taken.map(({ frame }) => frame)
  }
}
