import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const BINARY = fileURLToPath(new URL('../../bin/millrace.mjs', import.meta.url));

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-binary-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the real program without inheriting settings that change its output. */
function millrace(...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [BINARY, ...args], {
      cwd: directory,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], HOME: directory },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

function file(name: string, text: string): string {
  writeFileSync(join(directory, name), text);
  return name;
}

const GOOD = `version: 1
sources: {shop: {type: generic, host: 127.0.0.1, port: 1, database: shop, user: m}}
destinations: {warehouse: {type: postgres, host: 127.0.0.1, port: 1, database: w, user: w}}
pipelines: {p: {source: shop, destination: warehouse}}
`;

describe('the real program', { timeout: 30_000 }, () => {
  test('prints its version with exit code 0', async () => {
    expect(await millrace('--version')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), stderr: '' });
  });

  test('ends with 2 on a command that it does not know', async () => {
    const ended = await millrace('fly');
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    expect(ended.stderr).toContain('error 2002');
  });

  test('ends with 2 on a bad file, with file, line, column and hint', async () => {
    const ended = await millrace('check', '-f', file('bad.yaml', GOOD.replace('database: shop', 'databse: shop')));
    expect(ended.code).toBe(2);
    expect(ended.stderr).toContain('bad.yaml:2:59: "databse" is not a key of source "shop"');
    expect(ended.stderr).toContain('hint: did you mean database?');
  });

  test('ends with 2 on a bad file as JSON, with every problem in its place', async () => {
    const ended = await millrace('check', '-f', file('bad.yaml', GOOD.replace('database: shop', 'databse: shop')), '--json');
    expect(ended.code).toBe(2);
    const { error } = JSON.parse(ended.stdout) as { error: { code: string; problems: unknown[] } };
    expect(error.code).toBe('2001');
    expect(error.problems).toContainEqual({
      path: 'bad.yaml',
      line: 2,
      column: 59,
      message: '"databse" is not a key of source "shop"',
      hint: 'did you mean database?',
    });
  });

  test('ends with 2 on a file that is not there, and on names that the file does not have', async () => {
    expect(await millrace('run', '-f', 'none.yaml')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("none.yaml can't be read: it does not exist"),
    });
    const good = file('good.yaml', GOOD);
    expect(await millrace('run', '-f', good, '--pipeline', 'q')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('has no pipeline "q"'),
    });
    expect(await millrace('discover', '-f', good, '--source', 'shpo')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Did you mean shop?'),
    });
  });

  test("never prints the environment's secrets", async () => {
    const ended = await millrace(
      'check',
      '-f',
      file('secret.yaml', GOOD.replace('user: m}', 'user: m, password: "${HOME}", port: 70000}')),
    );
    expect(ended.code).toBe(2);
    expect(ended.stderr + ended.stdout).not.toContain(directory);
  });
});
