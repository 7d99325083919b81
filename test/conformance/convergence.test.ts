import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { convergenceSuite, type StateUnderTest, type Written } from '../../core/testing/index.ts'
import { deleteKey } from '../../plugins/messages/del.ts'
import { setArray } from '../../plugins/messages/sa.ts'
import { setKey } from '../../plugins/messages/sk.ts'
import { setWeighted } from '../../plugins/messages/sw.ts'
import { MemoryState } from '../../plugins/state/memory.ts'
import { OwnFile, SqliteState } from '../../plugins/state/sqlite/index.ts'

const builtIn = {
  plugins: () => [setKey(), setArray(), setWeighted(), deleteKey()],
  write(n: number, random: () => number): Written {
    const key = `key-${Math.floor(random() * 6)}`
    const kind = Math.floor(random() * 6)
    if (kind === 0) return { type: 'SK', key, value: n }
    if (kind === 1) return { type: 'SA', key, value: [n] }
    if (kind === 2) return { type: 'DEL', key }
    const member = () => ({ member: `member-${Math.floor(random() * 4)}`, weight: random() < 0.3 ? null : n })
    const members = Array.from({ length: 3 }, member)
    const value = members.filter((one, index) => members.findIndex((other) => other.member === one.member) === index)
    return { type: 'SW', key, value }
  },
}

describe('instances with the built-in types, over the state memory', () => {
  for (const { name, run } of convergenceSuite({ ...builtIn, makeState: inMemory })) it(name, run)
})

describe('instances with the built-in types, over the state sqlite', () => {
  for (const { name, run } of convergenceSuite({ ...builtIn, makeState: inFile })) it(name, run)
})

function inMemory(): StateUnderTest {
  const backend = new MemoryState()
  return { instance: () => backend, destroy: async () => {} }
}

function inFile(): StateUnderTest {
  const folder = mkdtempSync(join(tmpdir(), 'slipstream-convergence-'))
  const backend = new SqliteState(new OwnFile(join(folder, 'state.db'), 1024 ** 3))
  return { instance: () => backend, destroy: () => rm(folder, { recursive: true }) }
}
