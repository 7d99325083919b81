import { expect } from 'chai'
import { exitCodeOf } from '../../bin/exit.ts'
import { SlipstreamError } from '../../core/errors.ts'

describe('exit codes', () => {
  const cases: readonly (readonly [string, number])[] = [
    ['SLP_CONFIG_INVALID', 2],
    ['SLP_PLUGIN_DUPLICATE', 2],
    ['SLP_PLUGIN_FAILED', 1],
    ['SLP_TYPE_TAKEN', 2],
    ['SLP_STORE_MISSING', 2],
    ['SLP_STORE_IN_USE', 1],
    ['SLP_STORE_LOST', 70],
    ['SLP_INSTANCE_ID_CHANGED', 2],
    ['SLP_LISTEN', 1],
    ['SLP_INSECURE', 2],
    ['SLP_UNREACHABLE', 69],
    ['SLP_UNACKNOWLEDGED', 75],
    ['OF_A_STRANGERS_PLUGIN', 1],
  ]
  for (const [code, exitCode] of cases) {
    it(`is ${exitCode} for ${code}`, () => {
      expect(exitCodeOf(new SlipstreamError(code, ''))).to.equal(exitCode)
    })
  }

  it('is 70 for whatever was not foreseen', () => {
    expect(exitCodeOf(new TypeError('x is not a function'))).to.equal(70)
    expect(exitCodeOf('thrown')).to.equal(70)
  })
})
