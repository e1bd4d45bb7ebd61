import type { ErrorReport, ObjectStatus, PipelineStatus } from '@millrace/contract/report';
import { describe, expect, test } from 'vitest';
import { type CliContext, type StopSignal, UsageError } from './context.ts';
import type { Operations } from './operations.ts';
import { createProgram, runCli } from './program.ts';

const ORDERS: ObjectStatus = {
  object: 'public.orders',
  state: 'streaming',
  reason: null,
  destination: { schema: 'analytics', table: 'orders' },
  rows_copied: 1_000,
  bytes_copied: 65_536,
  estimated_rows: 1_000,
  inserted: 3,
  updated: 2,
  deleted: 1,
  truncated: 0,
  snapshot_lsn: '0/1',
  applied_lsn: '0/2',
  note: 'inserts only',
};

const SHOP: PipelineStatus = {
  pipeline: 'shop',
  state: 'streaming',
  reason: null,
  source_lsn: '0/3',
  checkpoint_lsn: '0/2',
  lag_bytes: 10,
  lag_seconds: 0.1,
  retained_wal_bytes: 4096,
  slot: 'millrace_shop',
  objects: [ORDERS],
};

/** A command line with recorded output and the given operations; an operation that is not given fails the test. */
function harness(operations: Partial<Operations> = {}) {
  const out: string[] = [];
  const err: string[] = [];
  const listeners = new Set<(signal: StopSignal) => void>();
  const exits: number[] = [];
  const context: CliContext = {
    version: '1.2.3',
    stdout: { write: (text) => void out.push(text), isTty: false, columns: null, rows: null },
    stderr: { write: (text) => void err.push(text), isTty: false, columns: null, rows: null },
    noColor: false,
    createOperations: () =>
      new Proxy(operations as Operations, {
        get: (target, name) => Reflect.get(target, name) ?? (() => Promise.reject(new Error(`unexpected ${String(name)}`))),
      }),
    describeError: report,
    onStopSignal(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    exitNow: (code) => void exits.push(code),
    now: () => Date.UTC(2026, 0, 1),
  };
  return {
    run: (...args: string[]) => runCli(args, context),
    context,
    out: () => out.join(''),
    err: () => err.join(''),
    json: () => JSON.parse(out.join('')) as unknown,
    signal: (signal: StopSignal) => {
      for (const listener of listeners) listener(signal);
    },
    listeners,
    exits,
  };
}

function report(error: unknown): ErrorReport {
  const isUsage = error instanceof UsageError;
  return {
    code: isUsage ? '2002' : '1006',
    name: isUsage ? 'usage' : 'connection_failed',
    title: isUsage ? 'The command was not understood' : 'Connection settings errors',
    cause: error instanceof Error ? error.message : String(error),
    meaning: 'A general cause.',
    fix: isUsage ? (error.hint ?? 'Run the command with --help.') : 'Check host and port.',
    docs: isUsage ? 'docs/errors.md#2002' : 'docs/errors.md#1006',
    sqlstate: null,
    object: null,
    exit: isUsage ? 2 : 3,
    problems: [],
  };
}

const FILE = ['-f', 'm.yaml'] as const;

describe('help', () => {
  test('of every command stays as it is', () => {
    const { context } = harness();
    const program = createProgram(context, async () => {});
    const pages = [program, ...program.commands, ...program.commands.flatMap((command) => command.commands)].map((command) =>
      command.helpInformation(),
    );
    expect(pages.join('\n----\n')).toMatchSnapshot();
  });

  test('goes to stdout when asked for, with examples and exit codes', async () => {
    const cli = harness();
    expect(await cli.run('--help')).toBe(0);
    expect(cli.out()).toMatch(/Usage: millrace[\s\S]*Examples:[\s\S]*Exit codes:/);
    expect(cli.err()).toBe('');
  });

  test.each([[[]], [['objects']]])('goes to stderr with exit code 2 when a command is missing after %j', async (args) => {
    const cli = harness();
    expect(await cli.run(...args)).toBe(2);
    expect(cli.err()).toContain('Usage: millrace');
    expect(cli.out()).toBe('');
  });

  test('the version is printed on stdout', async () => {
    const cli = harness();
    expect(await cli.run('--version')).toBe(0);
    expect(cli.out()).toBe('1.2.3\n');
  });
});

describe('a command line that is wrong', () => {
  test.each([
    [['rnu'], /unknown command 'rnu'/, /Did you mean run\?/],
    [['run'], /required option '-f, --file <file>' not specified/, /--help/],
    [['run', ...FILE, '--onec'], /unknown option '--onec'/, /Did you mean --once\?/],
    [['run', ...FILE, '--log-level', 'loud'], /'loud' is invalid/, /--help/],
    [['discover', ...FILE], /required option '--source <name>'/, /--help/],
    [['verify', ...FILE, '--pipeline', 'p', 'orders'], /"orders" names no schema/, /public\.orders/],
    [['objects', 'skip', ...FILE, '--pipeline', 'p'], /needs at least one object/, /--all/],
    [['objects', 'skip', ...FILE, '--pipeline', 'p', '--all', 'a.b'], /exclude each other/, /one of the two/],
    [['objects', 'explode', ...FILE], /unknown command 'explode'/, /\./],
  ])('%j is explained with exit code 2', async (args, cause, fix) => {
    const cli = harness();
    expect(await cli.run(...args)).toBe(2);
    expect(cli.err()).toMatch(cause);
    expect(cli.err()).toMatch(fix);
    expect(cli.out()).toBe('');
  });

  test('does not repeat a password that was typed into it', async () => {
    const cli = harness();
    expect(await cli.run('run', ...FILE, '--password=hunter2')).toBe(2);
    expect(cli.err()).toContain('a secret has no place on the command line');
    expect(cli.err()).not.toContain('hunter2');
  });
});

describe('reports', () => {
  test('are tables for people', async () => {
    const cli = harness({ status: async () => [SHOP] });
    expect(await cli.run('status', ...FILE)).toBe(0);
    expect(cli.out()).toMatch(/^shop {2}streaming\n {2}lag 0\.1 s, 10 bytes/);
    expect(cli.out()).toMatch(/public\.orders +streaming +analytics\.orders +1,000 +3 +2 +1 +0 +inserts only/);
  });

  test('are one JSON document with --json, wherever the option stands', async () => {
    const before = harness({ status: async () => [SHOP] });
    const after = harness({ status: async () => [SHOP] });
    expect([await before.run('--json', 'status', ...FILE), await after.run('status', ...FILE, '--json')]).toEqual([0, 0]);
    expect(before.json()).toEqual({ pipelines: [SHOP] });
    expect(after.json()).toEqual({ pipelines: [SHOP] });
    expect(after.err()).toBe('');
  });

  test('of a check group findings by subject, with cause and fix, and exit 3', async () => {
    const failed = {
      subject: 'source shop',
      status: 'fail',
      code: '1012',
      name: 'replication_role_missing',
      title: 'Access role issue',
      cause: 'role "m" may not replicate',
      fix: 'ALTER ROLE m WITH REPLICATION;',
      docs: 'd',
      sqlstate: '42501',
      object: null,
    } as const;
    const cli = harness({
      check: async () => [{ ...failed, status: 'pass', code: '0', title: 'The server answers', cause: '', fix: '' }, failed],
    });
    expect(await cli.run('check', ...FILE)).toBe(3);
    expect(cli.out()).toBe(
      'source shop\n  pass  The server answers\n  fail  1012 Access role issue\n        why  role "m" may not replicate\n        fix  ALTER ROLE m WITH REPLICATION;\n\n1 passed, 0 warnings, 1 failed\n',
    );
  });

  test('of a verification say what differs, and exit 4', async () => {
    const differs = {
      object: 'public.a',
      source_rows: 3,
      destination_rows: 3,
      missing: 1,
      extra: 1,
      different: 0,
      unverified: null,
      sample_keys: ['7'],
      position: '0/9',
    };
    const cli = harness({ verify: async () => [differs] });
    expect(await cli.run('verify', ...FILE, '--pipeline', 'p')).toBe(4);
    expect(cli.out()).toMatch(/public\.a +differs +3 +3 +1 +1 +0 +0\/9 +keys: 7/);
  });

  test('escape names that would act on a terminal', async () => {
    const cli = harness({ listObjects: async () => [{ ...ORDERS, object: 'public."\u001b[2J"' }] });
    await cli.run('objects', 'list', ...FILE, '--pipeline', 'p');
    expect(cli.out()).toContain('public."\\x1b[2J"');
    expect(cli.out()).not.toContain('\u001b');
  });
});

describe('arguments', () => {
  test('reach the operation as typed values', async () => {
    const seen: unknown[] = [];
    const cli = harness({
      changeObjects: async (...args) => {
        seen.push(args.slice(0, 3));
        return [];
      },
      run: async (options) => {
        seen.push(options);
        return { pipelines: [] };
      },
    });
    await cli.run('objects', 'restart', ...FILE, '--pipeline', 'p', 'public.a', '"S.x".b');
    await cli.run('objects', 'restart', ...FILE, '--pipeline', 'p');
    await cli.run('objects', 'skip', ...FILE, '--pipeline', 'p', '--all');
    await cli.run('run', ...FILE, '--pipeline', 'a', '--pipeline', 'b', '--once');
    expect(seen).toEqual([
      [
        'restart',
        expect.objectContaining({ file: 'm.yaml', pipeline: 'p' }),
        [
          { schema: 'public', name: 'a' },
          { schema: 'S.x', name: 'b' },
        ],
      ],
      ['restart', expect.objectContaining({ pipeline: 'p' }), 'all'],
      ['skip', expect.objectContaining({ pipeline: 'p' }), 'all'],
      { file: 'm.yaml', pipelines: ['a', 'b'], once: true },
    ]);
  });
});

describe('errors', () => {
  const failing = { status: () => Promise.reject(new Error('connect \u001b[31mrefused')) };

  test('say what happened, what it means, what to do and where to read on', async () => {
    const cli = harness(failing);
    expect(await cli.run('status', ...FILE)).toBe(3);
    expect(cli.err()).toBe(
      'error 1006 Connection settings errors\n  what happened  connect \\x1b[31mrefused\n  what it means  A general cause.\n  what to do     Check host and port.\n  more           docs/errors.md#1006\n',
    );
  });

  test('are a JSON document on stdout with --json', async () => {
    const cli = harness(failing);
    expect(await cli.run('status', ...FILE, '--json')).toBe(3);
    expect(cli.json()).toMatchObject({ error: { code: '1006', exit: 3 } });
    expect(cli.err()).toBe('');
  });

  test('end a JSON stream as its last event', async () => {
    const cli = harness({ run: () => Promise.reject(new Error('lost')) });
    expect(await cli.run('run', ...FILE, '--json')).toBe(3);
    expect(cli.json()).toMatchObject({ type: 'error', pipeline: null, error: { code: '1006' } });
  });
});

describe('run', () => {
  const progress = { type: 'state', time: 't', pipeline: 'shop', state: 'loading', reason: null } as const;

  test('prints one JSON event a line and ends with done', async () => {
    const cli = harness({
      run: async (_options, onEvent) => {
        onEvent(progress);
        return { pipelines: [{ pipeline: 'shop', error: null, status: SHOP }] };
      },
    });
    expect(await cli.run('run', ...FILE, '--once', '--json')).toBe(0);
    const lines = cli
      .out()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    expect(lines).toMatchObject([
      progress,
      { type: 'done', exit: 0, time: '2026-01-01T00:00:00.000Z', report: { pipelines: [{ pipeline: 'shop' }] } },
    ]);
  });

  test('talks on stderr and prints the counts on stdout', async () => {
    const cli = harness({
      run: async (_options, onEvent) => {
        onEvent(progress);
        return { pipelines: [{ pipeline: 'shop', error: report(new Error('boom')), status: SHOP }] };
      },
    });
    expect(await cli.run('run', ...FILE, '--once')).toBe(3);
    expect(cli.err()).toMatch(/shop is loading[\s\S]*shop: error 1006/);
    expect(cli.out()).toMatch(/^shop {2}streaming[\s\S]*public\.orders/);
  });

  test('is asked to stop by the first signal and ended by the second', async () => {
    const cli = harness({
      run: (_options, _onEvent, signal) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            cli.signal('SIGTERM');
            resolve({ pipelines: [] });
          });
        }),
    });
    const running = cli.run('run', ...FILE);
    cli.signal('SIGINT');
    expect(await running).toBe(0);
    expect(cli.exits).toEqual([143]);
    expect(cli.err()).toContain('stopping; once more stops at once');
    expect(cli.listeners.size).toBe(0);
  });
});
