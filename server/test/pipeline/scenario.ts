// The entry to a scenario: databases in pairs, pipelines that stop with their test, and comparisons of both sides.
import { afterEach, expect } from 'vitest';
import type { ObjectState } from '../../src/model/object-state.ts';
import { quoteName } from '../../src/pg/ident.ts';
import type { TestDatabase } from '../pg/test-database.ts';
import { type Postgres, usePostgres } from '../pg/use-postgres.ts';
import { waitFor } from '../pg/wait-for.ts';
import { type RunningPipeline, runOnce, type ScenarioOptions, startPipeline } from './pipeline.ts';

/** A source and a destination of one test. */
export interface Pair {
  readonly source: TestDatabase;
  readonly destination: TestDatabase;
  /** Loads what is due and catches up with the source as it is now. */
  once(options?: ScenarioOptions): Promise<void>;
  /** Runs until it is stopped, by the test or by its end. */
  start(options?: ScenarioOptions): RunningPipeline;
  /** Both sides hold the same rows of these tables of schema `public`. */
  expectEqual(...tables: readonly string[]): Promise<void>;
  /** Waits until they do. */
  untilEqual(...tables: readonly string[]): Promise<void>;
  /** Waits until the destination's state says so of the named tables of schema `public`. */
  untilState(state: ObjectState, ...tables: readonly string[]): Promise<void>;
}

export interface Scenarios extends Postgres {
  /** Two new databases. The slots of the source go with the test, if nothing streams from them any more. */
  pair(): Promise<Pair>;
  /** The same with databases that the test made itself. */
  pairOf(source: TestDatabase, destination: TestDatabase): Pair;
}

/** Like `usePostgres`, for tests that run pipelines. */
export function useScenarios(): Scenarios {
  const pg = usePostgres();
  const pairs: Pair[] = [];
  const running: RunningPipeline[] = [];
  // Hooks run in reverse order: this one before the harness looks for what was left behind.
  afterEach(async () => {
    await Promise.allSettled(running.splice(0).map((pipeline) => pipeline.stop()));
    const shared = pairs.splice(0).filter(({ source }) => pg.source.databases.includes(source));
    for (const { source } of shared) await source.dropSlots();
  });
  const pairOf = (source: TestDatabase, destination: TestDatabase): Pair => {
    const pair = makePair(source, destination, running);
    pairs.push(pair);
    return pair;
  };
  return {
    ...pg,
    pair: async () => pairOf(await pg.source.createDatabase(), await pg.destination.createDatabase()),
    pairOf,
  };
}

/** The rows of a table as text, in an order that does not depend on the server's collation. Its inheritance children are left out. */
export async function rowsOf(database: TestDatabase, table: string): Promise<readonly string[]> {
  const name = quoteName({ schema: 'public', name: table });
  const [kind] = await database.query('SELECT relkind FROM pg_catalog.pg_class WHERE oid = $1::pg_catalog.regclass', [name]);
  const only = kind?.[0] === 'p' ? '' : 'ONLY ';
  const rows = await database.query(`SELECT t::pg_catalog.text FROM ${only}${name} AS t ORDER BY t::pg_catalog.text COLLATE "C"`);
  return rows.map(([row]) => row ?? '');
}

/** State and reason of every object, by table name. */
export async function objectStates(destination: TestDatabase, pipeline = 'scenario'): Promise<Readonly<Record<string, ObjectView>>> {
  const rows = await destination.query(
    `SELECT source_name, state, desired, reason->>'code', reason->>'name', reason->>'cause' FROM _millrace.object WHERE pipeline = $1`,
    [pipeline],
  );
  return Object.fromEntries(
    rows.map(([name, state, desired, code, reason, cause]) => [
      name ?? '',
      { state: state as ObjectState, desired: desired ?? '', code: code ?? null, reason: reason ?? null, cause: cause ?? null },
    ]),
  );
}

export interface ObjectView {
  readonly state: ObjectState;
  readonly desired: string;
  readonly code: string | null;
  /** The error's name. */
  readonly reason: string | null;
  readonly cause: string | null;
}

function makePair(source: TestDatabase, destination: TestDatabase, running: RunningPipeline[]): Pair {
  const untilEqual = async (...tables: readonly string[]): Promise<void> => {
    for (const table of tables) {
      await waitFor(
        `${table} to be equal on both sides`,
        async () => JSON.stringify(await rowsOf(destination, table)) === JSON.stringify(await rowsOf(source, table)),
        UNTIL_TIMEOUT_MS,
      ).catch(async (error: unknown) => {
        // Says in which rows they differ, and which state the object is in.
        expect({ rows: await rowsOf(destination, table), states: await objectStates(destination) }).toEqual({
          rows: await rowsOf(source, table),
        });
        throw error;
      });
    }
  };
  return {
    source,
    destination,
    once: (options) => runOnce(source, destination, options),
    start(options) {
      const pipeline = startPipeline(source, destination, options);
      running.push(pipeline);
      return pipeline;
    },
    async expectEqual(...tables) {
      for (const table of tables) expect(await rowsOf(destination, table), table).toEqual(await rowsOf(source, table));
    },
    untilEqual,
    async untilState(state, ...tables) {
      await waitFor(
        `${tables.join(', ')} to be ${state}`,
        async () => {
          const states = await objectStates(destination);
          const wrong = tables.filter((table) => states[table]?.state !== state);
          if (wrong.length > 0) throw new Error(wrong.map((table) => `${table}: ${JSON.stringify(states[table] ?? 'unknown')}`).join('\n'));
          return true;
        },
        UNTIL_TIMEOUT_MS,
      );
    },
  };
}

const UNTIL_TIMEOUT_MS = 20_000;
