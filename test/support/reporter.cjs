'use strict'

const { reporters } = require('mocha')

/** The spec reporter, closed by one plain line that any continuous integration can read: `N passed, N failed`. */
module.exports = class PlainClosingLine extends reporters.Spec {
  epilogue() {
    super.epilogue()
    const { passes, failures, pending } = this.stats
    const skipped = pending > 0 ? `, ${pending} skipped` : ''
    process.stdout.write(`${passes} passed, ${failures} failed${skipped}\n`)
  }
}
