import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { clientErrorCodes } from '../../../core/client/index.ts'

describe('errors of the client', () => {
  it('have a row each in its page, and no row is left over', () => {
    const page = readFileSync(new URL('../../../core/client/README.md', import.meta.url), 'utf8')
    const rows = [...page.matchAll(/^\|\s*`(SLP_\w+)`\s*\|/gm)].map(([, code]) => code)
    expect(rows).to.have.members(clientErrorCodes as string[])
  })
})
