import { stripVTControlCharacters } from 'node:util'
import { expect } from 'chai'
import { liveScreen, plainScreen } from '../../../bin/demo/screen.ts'
import type { RegionView, Snapshot } from '../../../bin/demo/view.ts'

const up: Omit<RegionView, 'name'> = {
  state: 'up',
  published: 100,
  acknowledged: 100,
  received: 90,
  waiting: 0,
  p50: 1.25,
  p99: undefined,
  history: [0, 8],
}

function snapshotAt(elapsed: number, texts: readonly string[] = []): Snapshot {
  return {
    elapsed,
    seconds: 20,
    regions: [
      { ...up, name: 'aws' },
      { ...up, name: 'azure' },
      { ...up, name: 'gcp', state: 'killed', waiting: 7 },
    ],
    links: [true, false, false],
    events: texts.map((text) => ({ seconds: elapsed, text })),
  }
}

describe('the screen of the demo', () => {
  it('draws links that are down unlike those that are up', () => {
    const picture = drawn(40).lines.join('\n')
    expect(picture).to.include('╱').and.include('✖')
    expect(picture).to.not.include('╲').and.not.include('━')
  })

  it('fits a terminal of 80 columns and as many rows as there are', () => {
    const { lines } = drawn(10)
    expect(lines.length).to.be.at.most(10)
    for (const line of drawn(40).lines) expect(line.length, line).to.be.at.most(80)
  })

  it('redraws in place and leaves the terminal as it was', () => {
    const written: string[] = []
    const screen = liveScreen({ rows: 40, write: (text: string) => written.push(text) > 0 })
    screen.show(snapshotAt(1))
    screen.show(snapshotAt(2))
    screen.close()
    screen.close()
    const height = (written[1] as string).split('\n').length - 1
    expect(written[2]).to.match(new RegExp(`^\\u001b\\[${height}A`))
    expect(written.slice(3)).to.deep.equal(['\u001b[?7h\u001b[?25h'])
  })

  it('writes each event once, and how things stand every other second, where it cannot redraw', () => {
    const lines: string[] = []
    const screen = plainScreen((line) => lines.push(line))
    screen.show(snapshotAt(0, ['first']))
    screen.show(snapshotAt(1, ['first']))
    screen.show(snapshotAt(2.5, ['first', 'second']))
    expect(lines.map((line) => line.split('  ').at(-1)?.slice(0, 6))).to.deep.equal([
      'first',
      'aws up',
      'second',
      'aws up',
    ])
  })
})

function drawn(rows: number): { lines: string[] } {
  const written: string[] = []
  liveScreen({ rows, write: (text: string) => written.push(text) > 0 }).show(snapshotAt(3, ['gcp is killed']))
  return { lines: stripVTControlCharacters(written.at(-1) as string).split('\n') }
}
