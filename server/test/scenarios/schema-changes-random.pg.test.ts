// Random sequences of DDL and DML: whatever happens to the columns of tables while rows change, both ends are the same in the end.
import { expect, test } from 'vitest';
import { quoteName } from '../../src/pg/ident.ts';
import type { TestDatabase } from '../pg/test-database.ts';
import { waitFor } from '../pg/wait-for.ts';
import { expectEqual, table } from '../pipeline/compare.ts';
import { objectStates, type Pair, useScenarios } from '../pipeline/scenario.ts';
import { Dice, RandomTable } from '../schema-changes/random-ddl.ts';

/** `MILLRACE_SCHEMA_RUNS=1000` tries more of them; `MILLRACE_SCHEMA_SEED=…` repeats a round that failed. */
const RUNS = Number(process.env['MILLRACE_SCHEMA_RUNS'] ?? 15);
const SEED = process.env['MILLRACE_SCHEMA_SEED'];
/** The short lane repeats the same sequences, so that it says whether a change broke something; long ones look for what nobody knows yet. */
const FIRST_SEED = process.env['MILLRACE_SCHEMA_RUNS'] === undefined ? 20_261_121 : Date.now();
const MAX_STATEMENTS = 30;
const PER_ROUND = 8;
const ROUNDS = SEED === undefined ? Math.ceil(RUNS / PER_ROUND) : 1;
const ROUND_TIMEOUT_MS = 240_000;

const servers = useScenarios();

test.each(Array.from({ length: ROUNDS }, (_, round) => round))(
  'any sequence of changes of columns and rows ends in the same tables, round %i',
  async (round) => {
    const seed = Number(SEED ?? (FIRST_SEED + round * 7919) % 2 ** 31);
    const statements: string[] = [];
    try {
      await playRound(await servers.pair(), seed, statements);
    } catch (error) {
      throw new Error(`MILLRACE_SCHEMA_SEED=${seed} repeats this; the statements were\n${statements.join('\n')}`, { cause: error });
    }
  },
  ROUND_TIMEOUT_MS,
);

/** Several sequences side by side, each of a table of its own; in every third round nothing runs while statements do. */
async function playRound(pair: Pair, seed: number, log: string[]): Promise<void> {
  const dice = new Dice(seed);
  const isLive = dice.roll(3) > 0;
  const tables = Array.from({ length: PER_ROUND }, (_, n) => new RandomTable(`t${n}`, new Dice(seed * 31 + n)));
  const run = async (statement: string): Promise<void> => {
    log.push(`${statement};`);
    await pair.source.query(statement);
  };
  for (const each of tables) for (const statement of each.create()) await run(statement);
  await pair.once();
  const pipeline = isLive ? pair.start() : null;
  const left = tables.map((each) => ({ each, statements: 1 + dice.roll(MAX_STATEMENTS) }));
  while (left.some(({ statements }) => statements > 0)) {
    const { each, ...turn } = dice.pick(left.filter(({ statements }) => statements > 0));
    const count = Math.min(turn.statements, dice.roll(3) === 0 ? 1 + dice.roll(6) : 1);
    const entry = left.find((other) => other.each === each);
    if (entry !== undefined) entry.statements -= count;
    if (count === 1) await run(each.next(true));
    else {
      const inside = Array.from({ length: count }, () => each.next(false).replace(/^BEGIN; (.*); COMMIT$/s, '$1'));
      await run(`BEGIN; ${inside.join('; ')}; COMMIT`);
    }
    if (!isLive && dice.roll(20) === 0) await pair.once();
  }
  if (pipeline === null) {
    await pair.once();
    await pair.once();
  }
  for (const { label } of tables)
    await waitFor(`${label} to be equal`, () => isEqual(pair, label), 60_000).catch((error: unknown) => failed(pair, label, error));
  await pipeline?.stop();
  for (const { label } of tables) if (!(await isEqual(pair, label))) await failed(pair, label, null);
}

async function isEqual(pair: Pair, label: string): Promise<boolean> {
  await expectEqual(pair, table(label));
  expect(await columnsOf(pair.destination, label)).toEqual(await columnsOf(pair.source, label));
  return true;
}

async function failed(pair: Pair, label: string, error: unknown): Promise<never> {
  throw new Error(`${label} differs: ${JSON.stringify((await objectStates(pair.destination))[label.split('.')[1] ?? ''])}`, {
    cause: error,
  });
}

function columnsOf(database: TestDatabase, label: string) {
  return database.query(
    `SELECT attname, pg_catalog.format_type(atttypid, atttypmod), attgenerated FROM pg_catalog.pg_attribute
      WHERE attrelid = $1::pg_catalog.regclass AND attnum > 0 AND NOT attisdropped ORDER BY attname COLLATE "C"`,
    [quoteName(table(label).table)],
  );
}
