import { Command, Option } from 'commander'
import { VERSION } from '../core/version.ts'
import {
  busUrl,
  count,
  httpUrl,
  jsonObject,
  jsonOrText,
  milliseconds,
  several,
  whole,
  withSettings,
} from './options.ts'

/** Seconds that a demo lasts at most: it remembers each message until it is over. */
const LONGEST_DEMO = 3_600

const EXIT_CODES = `
Exit codes: 0 done, 1 the operation failed, 2 usage or configuration, 69 instance unreachable,
70 internal fault, 75 try again later.`

/** The whole command line at a glance. What a command needs is imported when it runs: help comes at once. */
export function createProgram(): Command {
  const program = new Command('slipstream')
    .description('A durable message bus that keeps data in step across clouds.')
    .version(VERSION, '-v, --version')
    .option('--debug', 'with an error, show where and why it happened')
    .addHelpText('after', EXIT_CODES)
    .showSuggestionAfterError()
    .exitOverride()

  withSettings(program.command('start'))
    .description(
      'Run an instance; what happens when no command is named. SIGTERM and SIGINT let it finish what is under way; a second one ends it at once.',
    )
    .action(async (flags) => (await import('./commands/start.ts')).start(flags))

  withSettings(program.command('check'))
    .description('Validate configurations offline, and show where each value comes from.')
    .argument('[files...]', 'configuration files; without any, the one that start would take')
    .option('--json', 'print a report as JSON')
    .action(async (files, flags) => (await import('./commands/check.ts')).check(files, flags))

  program
    .command('send')
    .description('Publish a message and wait until it is durable.')
    .argument('<type>', 'message type, such as SK')
    .option('--key <key>', 'key of a state type')
    .addOption(
      new Option('--value <json or text>', 'JSON is sent to the digit, anything else as a string').argParser(
        jsonOrText,
      ),
    )
    .addOption(
      new Option('--body <json>', 'members of the message, for types of their own')
        .argParser(jsonObject)
        .conflicts(['key', 'value']),
    )
    .option('--tag <tag>', 'for those who bear this tag; repeatable', several)
    .option('--id <id>', 'message id; send again with the same one after a timeout')
    .addOption(busUrl())
    .option('--timeout <ms>', 'longest wait for the acknowledgement', milliseconds, 10_000)
    .option('--json', 'print the answer as JSON')
    .action(async (type, options) => (await import('./commands/send.ts')).send(type, options))

  program
    .command('listen')
    .description('Show messages as they come. Without --tag: those that are for everybody.')
    .option('--type <type>', 'only this type; repeatable', several)
    .option('--key <prefix>', 'only keys that begin like this')
    .option('--tag <tag>', 'bear this tag, and get what is for its bearers; repeatable', several)
    .option(
      '--name <name>',
      'be kept messages while away, those that are asked for now, and acknowledge each once it is printed',
    )
    .addOption(busUrl())
    .option('--count <number>', 'end after so many', count)
    .option('--json', 'print each frame as it came')
    .action(async (options) => (await import('./commands/listen.ts')).listen(options))

  const plugin = program.command('plugin').description('Look at plugins.')
  plugin
    .command('list')
    .description('List what a running instance has loaded, or with --offline what a configuration would load.')
    .addOption(new Option('--url <url>', 'its administration (default: on METRICS_PORT, else 8080)').argParser(httpUrl))
    .option('--admin-token-file <file>', 'the token, if it wants one (environment SLIPSTREAM_ADMIN_TOKEN_FILE)')
    .option('--offline', 'ask the configuration instead')
    .option('-c, --config <file>', 'ask this configuration instead')
    .option('--json', 'print JSON')
    .action(async (options) => (await import('./commands/plugin-list.ts')).listPlugins(options))

  program
    .command('demo')
    .description('Run three regions on this machine, kill one of them, and watch nothing get lost.')
    .option('--seconds <number>', 'how long there is traffic', (text) => whole(text, LONGEST_DEMO), 20)
    .option('--json', 'print only a report at the end, as JSON')
    .action(async (options) => (await import('./commands/demo.ts')).demo(options))

  return program
}

/** `slipstream --port 0` means `slipstream start --port 0`. Not commander's own default command: it hides misspelt names. */
export function withDefaultCommand(args: readonly string[]): readonly string[] {
  const [first] = args
  const named = first !== undefined && (!first.startsWith('-') || /^(-h|--help|-v|--version)$/.test(first))
  return named ? args : ['start', ...args]
}
