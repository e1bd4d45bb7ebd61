// Millrace as a contender: the command line as users run it, on a pipeline file, in a process of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LAYOUTS, type LayoutName } from '../layouts.ts';
import type { ProcessUsage } from '../measurement.ts';
import { BENCH_USER, type Workbench } from '../workbench.ts';

/** Where the bundled command is, and the module that reports its usage. */
export interface MillraceProgram {
  readonly bundle: string;
  readonly usageReporter: string;
}

/** One running `millrace run`. */
export interface MillraceRun {
  /** Resolves when the process has ended with exit code 0 (after `stop`, too); rejects otherwise, with what it said. */
  readonly ended: Promise<ProcessUsage>;
  /** Asks it to stop, as an operator would. */
  readonly stop: () => void;
}

/** Writes the pipeline file and returns what starts it: until the source's present position, or until stopped. */
export async function millracePipeline(
  bench: Workbench,
  program: MillraceProgram,
  databases: { readonly source: string; readonly destination: string },
  layout: LayoutName = 'millrace',
): Promise<(how: 'once' | 'continuous') => MillraceRun> {
  const file = join(bench.directory, `${databases.destination}.yaml`);
  await writeFile(file, pipelineFile(bench, databases, layout));
  let runs = 0;
  return (how) => {
    runs += 1;
    const usageFile = join(bench.directory, `${databases.destination}.usage.${runs}.json`);
    const args = ['--import', program.usageReporter, program.bundle, 'run', '-f', file, ...(how === 'once' ? ['--once'] : [])];
    const child = spawn(process.execPath, args, {
      env: { ...process.env, MILLRACE_BENCH_PASSWORD: bench.password.reveal(), MILLRACE_BENCH_USAGE: usageFile },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const end = (): boolean => child.kill('SIGKILL');
    process.once('exit', end);
    const ended = completion(child, usageFile).finally(() => process.off('exit', end));
    // Whoever awaits `ended` later still gets the failure; meanwhile it must not count as unhandled.
    ended.catch(() => {});
    return { ended, stop: () => void child.kill('SIGTERM') };
  };
}

function pipelineFile(bench: Workbench, databases: { readonly source: string; readonly destination: string }, layout: LayoutName): string {
  const source = bench.connection('source', databases.source);
  const destination = bench.connection('destination', databases.destination);
  return `version: 1
sources:
  bench_source:
    type: generic
    host: ${source.host}
    port: ${source.port}
    database: ${source.database}
    user: ${BENCH_USER}
    password: \${MILLRACE_BENCH_PASSWORD}
    ssl:
      mode: disable
destinations:
  bench_destination:
    type: postgres
    host: ${destination.host}
    port: ${destination.port}
    database: ${destination.database}
    user: ${BENCH_USER}
    password: \${MILLRACE_BENCH_PASSWORD}
    allow_unencrypted: true
    ssl:
      mode: disable
pipelines:
  bench_${layout}:
    source: bench_source
    destination: bench_destination
    mode: logical
    schedule: continuous
${LAYOUTS[layout].options.map((line) => `    ${line}\n`).join('')}`;
}

async function completion(child: ChildProcess, usageFile: string): Promise<ProcessUsage> {
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString('utf8')).slice(-SAID_LIMIT);
  });
  const outcome = await new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(code === 0 ? 'done' : `ended with ${signal ?? `exit code ${code}`}`));
  });
  if (outcome !== 'done') throw new Error(`millrace ${outcome}:\n${said}`);
  return JSON.parse(await readFile(usageFile, 'utf8')) as ProcessUsage;
}

const SAID_LIMIT = 4_000;
