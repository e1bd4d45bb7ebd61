// Keeps the pages true where that is cheap: commands, keys, states, layers and tests that they name exist.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FILE_SCHEMA } from '@millrace/contract/file';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { loadFile } from '../../src/app/config/load.ts';
import type { CliContext } from '../../src/cli/context.ts';
import { createProgram } from '../../src/cli/program.ts';
import { CATALOGUE } from '../../src/model/error-catalogue.ts';
import { TRANSITIONS } from '../../src/model/object-state.ts';
import { codeBlocks, handwrittenPages, readProjectFile, typedCommands } from './pages.ts';

const PAGES = handwrittenPages();

test('the pages are found, and the reader of pages finds blocks and commands in them', () => {
  expect(PAGES).toContain('docs/decisions/001-values-stay-bytes.md');
  expect(codeBlocks('README.md').length).toBeGreaterThan(10);
  expect(typedCommands('README.md')).toContainEqual({
    program: 'millrace',
    args: ['drop', '-f', 'millrace.yaml', '--pipeline', 'shop_to_warehouse'],
  });
});

describe('commands on the pages', () => {
  test('of millrace are in its help, with their options', () => {
    const wrong = PAGES.flatMap((page) =>
      typedCommands(page)
        .filter(({ program }) => program === 'millrace')
        .flatMap(({ args }) => problemsOf(args).map((problem) => `${page}: millrace ${args.join(' ')}: ${problem}`)),
    );
    expect(wrong).toEqual([]);
  });

  test('of npm are scripts of the project', () => {
    const manifest = z.object({ scripts: z.record(z.string(), z.string()) }).parse(JSON.parse(readProjectFile('package.json')));
    const named = PAGES.flatMap((page) =>
      typedCommands(page).flatMap(({ program, args }) => (program === 'npm run' ? [args[0] ?? ''] : [])),
    );
    expect(named).toContain('demo');
    for (const script of named) expect(Object.keys(manifest.scripts)).toContain(script);
  });

  test('with options that do not exist would be noticed', () => {
    expect(problemsOf(['run', '-f', 'm.yaml', '--fast'])).toEqual(['no option --fast']);
    expect(problemsOf(['objects', 'forget', '-f', 'm.yaml'])).toEqual(['no command forget']);
  });
});

describe('the file', () => {
  const complete = PAGES.flatMap(codeBlocks).filter(({ language, text }) => language === 'yaml' && text.startsWith('version: 1'));

  test.each(complete.map((block, index) => [`${block.page}, example ${index + 1}`, block.text] as const))(
    'in %s is accepted without a warning',
    async (_where, text) => {
      const directory = await mkdtemp(join(tmpdir(), 'millrace-pages-'));
      try {
        const path = join(directory, 'millrace.yaml');
        await writeFile(path, text);
        const file = await loadFile(path, { SHOP_PASSWORD: 'x', WAREHOUSE_PASSWORD: 'x' });
        expect(file.pipelines).toHaveLength(1);
        expect(file.warnings).toEqual([]);
      } finally {
        await rm(directory, { recursive: true });
      }
    },
  );

  test('has every key that it knows on its page', () => {
    const page = readProjectFile('docs/configuration.md');
    const keys = keysOf(z.toJSONSchema(FILE_SCHEMA, { io: 'input', unrepresentable: 'any' }));
    expect(keys).toContain('client_key_file');
    // What belongs to a refused block needs no line of its own.
    const refused = new Set(['method', 'private_key_file', 'host_key', 'fixed', 'every', 'cron', 'timezone']);
    expect(keys.filter((key) => !refused.has(key) && !page.includes(`\`${key}\``))).toEqual([]);
  });
});

test('every state of an object is explained to operators', () => {
  const page = readProjectFile('docs/operations.md');
  for (const state of Object.keys(TRANSITIONS)) expect(page).toContain(`| \`${state}\` |`);
});

test('every error code that a page links to exists', () => {
  const known = new Set<string>(Object.values(CATALOGUE).map((entry) => entry.code));
  const linked = PAGES.flatMap((page) => [...readProjectFile(page).matchAll(/errors\.md#(\d+)/g)].map((match) => match[1] ?? ''));
  expect(linked.length).toBeGreaterThan(20);
  expect(linked.filter((code) => !known.has(code))).toEqual([]);
});

describe('ARCHITECTURE.md', () => {
  const page = readProjectFile('ARCHITECTURE.md');

  test('names tests that exist, and at least two for each of the twelve invariants', () => {
    const sections = page.split(/^\d+\. \*\*/m).slice(1);
    expect(sections).toHaveLength(12);
    const missing: string[] = [];
    for (const section of sections) {
      const named = [...section.matchAll(/^ +- `([^`]+)`: "([^"]+)"$/gm)];
      expect(named.length).toBeGreaterThanOrEqual(2);
      for (const [, file = '', name = ''] of named) if (!hasTest(file, name)) missing.push(`${file}: ${name}`);
    }
    expect(missing).toEqual([]);
  });

  test('shows the layers as they are enforced', () => {
    const { forbidden } = RULES.parse(createRequire(import.meta.url)('../../../.dependency-cruiser.cjs'));
    const rows = [...page.matchAll(/^\| `(\w+)` \| ([\w, ]+) \|/gm)];
    expect(rows.length).toBeGreaterThan(8);
    for (const [, folder, mayImport] of rows) {
      expect(forbidden.find((rule) => rule.name === `layer-${folder}`)?.comment).toBe(
        `${folder}/ may import only itself and: ${mayImport}`,
      );
    }
  });
});

const RULES = z.object({ forbidden: z.array(z.object({ name: z.string(), comment: z.string() })) });

/** Whether the file has a test whose title holds `name`: titles are written as literals, in quotes or backticks, on one line. */
function hasTest(file: string, name: string): boolean {
  const titles = [...readProjectFile(file).matchAll(/(['"`])((?:(?!\1)[^\\\n]|\\.)*)\1/g)].map((match) => match[2] ?? '');
  return titles.some((title) => title.replaceAll(/\\(.)/g, '$1').includes(name));
}

const NO_CONTEXT = {
  version: '0',
  stdout: { write: () => {}, isTty: false, columns: null, rows: null },
  stderr: { write: () => {}, isTty: false, columns: null, rows: null },
  noColor: true,
} as unknown as CliContext;

/** What the command line has to say against these arguments; objects and values of options are taken as they are. */
function problemsOf(args: readonly string[]): readonly string[] {
  const program = createProgram(NO_CONTEXT, async () => {});
  let command: Command = program;
  const problems: string[] = [];
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? '';
    if (arg.startsWith('-')) {
      const option = [...command.options, ...program.options].find((known) => known.short === arg || known.long === arg);
      if (option === undefined) problems.push(`no option ${arg}`);
      else if (option.required || option.optional) index += 1;
    } else {
      const sub = command.commands.find((known) => known.name() === arg);
      if (sub !== undefined) command = sub;
      else if (command.registeredArguments.length === 0) return [...problems, `no command ${arg}`];
    }
  }
  return problems;
}

/** Names of all properties in a JSON schema, at any depth. */
function keysOf(schema: unknown): readonly string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  return Object.entries(schema).flatMap(([key, value]) =>
    key === 'properties' && typeof value === 'object' && value !== null
      ? [...Object.keys(value), ...Object.values(value).flatMap(keysOf)]
      : keysOf(value),
  );
}
