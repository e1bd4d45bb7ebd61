// The command line's grammar: commands, options, help. What the commands do is in `commands.ts`.
import type { ErrorReport, ExitCode } from '@millrace/contract/report';
import { Argument, Command, CommanderError, Option } from 'commander';
import { Commands, type GlobalOptions, parseObjects } from './commands.ts';
import { type CliContext, UsageError } from './context.ts';
import { errorText } from './error-text.ts';
import { LOG_LEVELS, type LogLevel, type ObjectAction, type ObjectSelection } from './operations.ts';
import { createPaint, printableLines } from './terminal-text.ts';

/** Runs one command line (without the program's own path) and resolves with the process's exit code. Never throws. */
export async function runCli(args: readonly string[], context: CliContext): Promise<ExitCode> {
  let exit: ExitCode = 0;
  const program = createProgram(context, async (global, work) => {
    exit = await work(new Commands(context, global));
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exit;
  } catch (error) {
    return explain(error, args, context);
  }
}

type Action = (global: GlobalOptions, work: (commands: Commands) => Promise<ExitCode>) => Promise<void>;

/** The whole grammar; `act` runs a command. */
export function createProgram(context: CliContext, act: Action): Command {
  const program = new Command('millrace')
    .description('Keeps a Postgres warehouse in step with Postgres databases: exactly once, in commit order, byte for byte.')
    .version(context.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .addOption(new Option('--json', 'print one JSON document (or one per line while running) on stdout').helpGroup('Global Options:'))
    .addOption(new Option('--log-level <level>', 'what to log on stderr').choices(LOG_LEVELS).default('warn').helpGroup('Global Options:'))
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
      outputError: () => {},
    })
    .exitOverride()
    .addHelpText('after', GENERAL_HELP);
  const invoke = (work: (commands: Commands) => Promise<ExitCode>): Promise<void> => act(globalOptions(program), work);
  addRunCommands(program, invoke);
  addInspectionCommands(program, invoke);
  addObjectsCommand(program, invoke);
  return program;
}

type Invoke = (work: (commands: Commands) => Promise<ExitCode>) => Promise<void>;

const GENERAL_HELP = `
Examples:
  $ millrace demo --once                            see it work, without any database of yours
  $ millrace check -f millrace.yaml                 what is missing, with the SQL to paste
  $ millrace run -f millrace.yaml                   replicate until stopped
  $ millrace status -f millrace.yaml --json | jq    for scripts

Exit codes:
  0 done  1 unexpected  2 usage or config  3 connection or prerequisite
  4 some objects failed, the rest is done  5 continuity lost, a decision is needed

Passwords come from the file by \${VARIABLE} or password_file, never from the command line.`;

function globalOptions(program: Command): GlobalOptions {
  const options = program.opts<{ json?: boolean; logLevel: LogLevel }>();
  return { json: options.json === true, logLevel: options.logLevel };
}

function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`;
}

const FILE_OPTION = ['-f, --file <file>', 'the configuration file'] as const;
const PIPELINE_OPTION = ['--pipeline <name>', 'the pipeline, as the file names it'] as const;

function addRunCommands(program: Command, invoke: Invoke): void {
  program
    .command('demo')
    .description('start two Postgres clusters, a sample shop with live writes and a pipeline between them')
    .option('--once', 'load, catch up, verify, print the counts and end')
    .addHelpText('after', examples('millrace demo', 'millrace demo --once'))
    .action((options: { once?: boolean }) => invoke((commands) => commands.demo({ once: options.once === true })));
  program
    .command('run')
    .description('run the pipelines of a file in the foreground until SIGTERM or Ctrl-C')
    .requiredOption(...FILE_OPTION)
    .option('--pipeline <name>', 'only this pipeline (repeat it for several)', (name: string, before?: readonly string[]) => [
      ...(before ?? []),
      name,
    ])
    .option('--once', 'load history where due, follow up to the position of now, then end')
    .addHelpText(
      'after',
      examples(
        'millrace run -f millrace.yaml',
        'millrace run -f millrace.yaml --pipeline shop_to_warehouse --once',
        'millrace run -f millrace.yaml --json > progress.ndjson',
      ),
    )
    .action((options: { file: string; pipeline?: string[]; once?: boolean }) =>
      invoke((commands) => commands.run({ file: options.file, pipelines: options.pipeline ?? [], once: options.once === true })),
    );
}

function addInspectionCommands(program: Command, invoke: Invoke): void {
  program
    .command('check')
    .description('check servers, roles, settings and objects before anything moves; changes nothing')
    .requiredOption(...FILE_OPTION)
    .option('--source <name>', 'only this source')
    .option('--destination <name>', 'only this destination')
    .option('--pipeline <name>', 'only this pipeline, with its source and destination')
    .addHelpText('after', examples('millrace check -f millrace.yaml', 'millrace check -f millrace.yaml --source shop'))
    .action((options: { file: string; source?: string; destination?: string; pipeline?: string }) => {
      const { file, source = null, destination = null, pipeline = null } = options;
      return invoke((commands) => commands.check({ file, source, destination, pipeline }));
    });
  program
    .command('discover')
    .description('list the tables of a source: size, key, replica identity, and whether they can be replicated')
    .requiredOption(...FILE_OPTION)
    .requiredOption('--source <name>', 'the source, as the file names it')
    .addHelpText('after', examples('millrace discover -f millrace.yaml --source shop'))
    .action((options: { file: string; source: string }) => invoke((commands) => commands.discover(options)));
  program
    .command('verify')
    .description('compare source and destination row by row at one position')
    .requiredOption(...FILE_OPTION)
    .requiredOption(...PIPELINE_OPTION)
    .argument('[object...]', 'schema.table; none: all objects')
    .addHelpText(
      'after',
      examples(
        'millrace verify -f millrace.yaml --pipeline shop_to_warehouse',
        'millrace verify -f millrace.yaml --pipeline shop_to_warehouse public.orders',
      ),
    )
    .action((names: string[], options: { file: string; pipeline: string }) =>
      invoke((commands) => commands.verify(options, names.length === 0 ? 'all' : parseObjects(names))),
    );
  program
    .command('plan')
    .description('show the DDL that the next run would execute at the destination, and what it would load again; changes nothing')
    .requiredOption(...FILE_OPTION)
    .requiredOption(...PIPELINE_OPTION)
    .addHelpText('after', examples('millrace plan -f millrace.yaml --pipeline shop_to_warehouse'))
    .action((options: { file: string; pipeline: string }) => invoke((commands) => commands.plan(options)));
  program
    .command('status')
    .description('show state, lag, retained WAL and rows per object')
    .requiredOption(...FILE_OPTION)
    .option('--pipeline <name>', 'only this pipeline')
    .addHelpText(
      'after',
      examples('millrace status -f millrace.yaml', 'millrace status -f millrace.yaml --pipeline shop_to_warehouse --json'),
    )
    .action((options: { file: string; pipeline?: string }) =>
      invoke((commands) => commands.status({ file: options.file, pipeline: options.pipeline ?? null })),
    );
  program
    .command('drop')
    .description("remove a pipeline's slot, publications and state; the destination tables stay")
    .requiredOption(...FILE_OPTION)
    .requiredOption(...PIPELINE_OPTION)
    .addHelpText('after', examples('millrace drop -f millrace.yaml --pipeline shop_to_warehouse'))
    .action((options: { file: string; pipeline: string }) => invoke((commands) => commands.drop(options)));
}

/** What each action does, and whether leaving the names out means all objects. Leaving them out by mistake must not undo a load. */
const ACTIONS: Readonly<Record<ObjectAction, { readonly text: string; readonly allWithoutNames: boolean }>> = {
  include: { text: 'replicate objects that were skipped; their history is loaded', allWithoutNames: false },
  skip: { text: 'stop replicating objects; their destination tables stay', allWithoutNames: false },
  pause: { text: 'halt objects; the source keeps their changes until they are resumed', allWithoutNames: true },
  resume: { text: 'go on with objects that were paused or failed', allWithoutNames: true },
  restart: { text: 'load the history of objects again', allWithoutNames: true },
};

function addObjectsCommand(program: Command, invoke: Invoke): void {
  const objects = program
    .command('objects')
    .description('list and change the objects of a pipeline')
    .addHelpText(
      'after',
      examples(
        'millrace objects list -f millrace.yaml --pipeline shop_to_warehouse',
        'millrace objects restart -f millrace.yaml --pipeline shop_to_warehouse public.orders',
      ),
    );
  objects
    .command('list')
    .description('list objects with state and counts')
    .requiredOption(...FILE_OPTION)
    .requiredOption(...PIPELINE_OPTION)
    .addHelpText('after', examples('millrace objects list -f millrace.yaml --pipeline shop_to_warehouse'))
    .action((options: { file: string; pipeline: string }) => invoke((commands) => commands.listObjects(options)));
  for (const [action, { text, allWithoutNames }] of Object.entries(ACTIONS) as [ObjectAction, (typeof ACTIONS)[ObjectAction]][]) {
    objects
      .command(action)
      .description(text)
      .requiredOption(...FILE_OPTION)
      .requiredOption(...PIPELINE_OPTION)
      .option('--all', 'all objects of the pipeline')
      .addArgument(new Argument('[object...]', `schema.table${allWithoutNames ? '; none: all objects' : ''}`))
      .addHelpText('after', examples(`millrace objects ${action} -f millrace.yaml --pipeline shop_to_warehouse public.orders`))
      .action((names: string[], options: { file: string; pipeline: string; all?: boolean }) =>
        invoke((commands) => commands.changeObjects(action, options, selection(action, names, options.all === true))),
      );
  }
}

function selection(action: ObjectAction, names: readonly string[], all: boolean): ObjectSelection {
  if (all && names.length > 0) throw new UsageError('--all and object names exclude each other', 'give one of the two');
  if (names.length > 0) return parseObjects(names);
  if (all || ACTIONS[action].allWithoutNames) return 'all';
  throw new UsageError(`objects ${action} needs at least one object`, 'name objects as schema.table, or say --all');
}

function explain(error: unknown, args: readonly string[], context: CliContext): ExitCode {
  const json = args.includes('--json');
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    // Without a command the help was printed, which says it all.
    if (error.code === 'commander.help' && !json) return 2;
  }
  const report = context.describeError(error instanceof CommanderError ? usageError(error, args) : error);
  if (json) context.stdout.write(`${JSON.stringify(jsonError(report, args, context))}\n`);
  else context.stderr.write(`${errorText(report, createPaint(context.stderr.isTty && !context.noColor))}\n`);
  if (report.exit === 1 && / --log-level[ =]debug( |$)/.test(` ${args.join(' ')}`)) context.stderr.write(`${stackOf(error)}\n`);
  return report.exit;
}

/** The stacks of an error and of what caused it: no other fields, because a driver's error quotes rows. */
function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const cause = stackOf(error.cause);
  return printableLines(error.stack ?? error.message) + (cause === '' ? '' : `\ncaused by ${cause}`);
}

/** Streams end with an event, other commands with a document. */
function jsonError(report: ErrorReport, args: readonly string[], context: CliContext): object {
  const streams = args.some((arg) => arg === 'run' || arg === 'demo');
  return streams ? { type: 'error', time: new Date(context.now()).toISOString(), pipeline: null, error: report } : { error: report };
}

const SECRET_OPTION = /^--?(pass|pw|secret|token)/i;

function usageError(error: CommanderError, args: readonly string[]): UsageError {
  if (error.code === 'commander.help') return new UsageError('a command is missing', 'Run millrace --help.');
  if (args.some((arg) => SECRET_OPTION.test(arg))) {
    return new UsageError(
      'a secret has no place on the command line',
      'Every process of the machine can read it: use password: ${VARIABLE} or password_file: in the file.',
    );
  }
  const [first = '', ...suggestion] = error.message.replace(/^error: /, '').split('\n');
  return new UsageError(first, suggestion.join(' ').replace(/^\(|\)$/g, '') || null);
}
