import { setTimeout as delay } from 'node:timers/promises'
import { DemoMesh } from '../demo/mesh.ts'
import { liveScreen, plainScreen, type Screen } from '../demo/screen.ts'
import { type Report, Story } from '../demo/story.ts'
import { Exit } from '../exit.ts'
import { paint, print, say } from '../output.ts'
import { untilSignal } from '../signals.ts'

export interface DemoOptions {
  readonly seconds: number
  readonly json?: boolean
}

const FRAME_MS = 125

/** Plays the story of three regions. Ends with exit code 1 unless each acknowledged message arrived exactly once. */
export async function demo({ seconds, json = false }: DemoOptions): Promise<void> {
  const interrupted = new AbortController()
  // A terminal that is closed leaves no folders behind.
  void untilSignal('SIGINT', 'SIGTERM', 'SIGHUP').then(() => interrupted.abort())
  const report = await play(seconds, screenFor(json), interrupted.signal)
  if (!report) say('Ended before everything was counted.')
  else if (json) await print(JSON.stringify(report, undefined, 2))
  else await print(verdictOf(report))
  if (!report?.passed) process.exitCode = Exit.FAILED
}

/** Undefined when it was interrupted. Leaves neither process nor file behind. */
async function play(seconds: number, screen: Screen, signal: AbortSignal): Promise<Report | undefined> {
  const mesh = await DemoMesh.create()
  const remove = () => {
    screen.close()
    mesh.remove()
  }
  process.once('exit', remove)
  const story = new Story(mesh, seconds)
  const over = new AbortController()
  const shown = show(story, screen, over.signal)
  try {
    return await Promise.race([mesh.serve(), story.play(signal)])
  } catch (error) {
    if (!signal.aborted) throw error
    return undefined
  } finally {
    over.abort()
    await shown
    await mesh.stop()
    remove()
  }
}

/** Until it is over, and then the last picture. */
async function show(story: Story, screen: Screen, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    await story.observe()
    screen.show(story.snapshot())
    await delay(FRAME_MS)
  }
  screen.show(story.snapshot())
}

function screenFor(json: boolean): Screen {
  if (json) return plainScreen(say)
  return process.stdout.isTTY ? liveScreen(process.stdout) : plainScreen((line) => void print(line))
}

function verdictOf({ passed, due, missing, twice, recognised, astray, unanswered, killed, waited }: Report): string {
  const faults = { missing, twice, astray, unanswered }
  const wrong = Object.entries(faults).flatMap(([what, number]) => (number > 0 ? [`${number} ${what}`] : []))
  const result = passed ? paint('green', 'nothing missing, nothing twice') : paint('red', wrong.join(', '))
  const again = recognised === 0 ? '' : ` ${recognised} came again after the crash and were known by their id.`
  return `  ${due} deliveries were due: ${result}. Up to ${waited} had waited for ${killed}.${again}`
}
