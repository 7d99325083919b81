import { CommanderError } from 'commander'
import { exitCodeOf } from './exit.ts'
import { sayError } from './output.ts'
import { createProgram, withDefaultCommand } from './program.ts'

// Whoever reads our output may have had enough, as `head` does: that is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

// Nobody reads our words any more: an instance goes on, and drains in order all the same.
process.stderr.on('error', () => {})

const program = createProgram()
try {
  await program.parseAsync(withDefaultCommand(process.argv.slice(2)), { from: 'user' })
} catch (error) {
  process.exitCode = exitCodeOf(error)
  // commander has said already what is wrong with the command line.
  if (!(error instanceof CommanderError)) sayError(error, program.opts<{ debug?: boolean }>().debug)
}
