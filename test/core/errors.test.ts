import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { errorCodes, problemOf, SlipstreamError, slipstreamError } from '../../core/index.ts'

/** The rows of the table of errors in the room's README: code, and what stands behind it. */
function documented(): ReadonlyMap<string, string> {
  const page = readFileSync(new URL('../../core/README.md', import.meta.url), 'utf8')
  const rows = page.matchAll(/^\|\s*`(SLP_\w+)`\s*\|(.*)\|\s*$/gm)
  return new Map([...rows].map(([, code, rest]) => [code as string, rest as string]))
}

describe('errors', () => {
  for (const code of errorCodes) {
    it(`${code} has its row in core/README.md`, () => {
      expect(documented().get(code)?.replace(/[\s|]/g, '') ?? '').not.to.equal('')
    })
  }

  it('have no row of a code that is gone', () => {
    expect([...documented().keys()].filter((code) => !(errorCodes as readonly string[]).includes(code))).to.deep.equal(
      [],
    )
  })

  it('bear a code, a message and a name, and keep their cause', () => {
    const cause = new Error('EADDRINUSE')
    const error = slipstreamError('SLP_LISTEN', ['127.0.0.1:7070', problemOf(cause)], { cause, plugin: 'websocket' })
    expect(error).to.be.instanceOf(SlipstreamError)
    expect(error).to.include({ name: 'SlipstreamError', code: 'SLP_LISTEN', plugin: 'websocket', cause })
    expect(error.message).to.contain('127.0.0.1:7070').and.contain('EADDRINUSE')
  })

  it('say in one line what went wrong, whatever was thrown', () => {
    expect([new Error('one'), 'two', undefined].map(problemOf)).to.deep.equal(['one', 'two', 'undefined'])
  })
})
