// Two kinds of tests: `unit` needs no database and runs in seconds; `pg` runs against real PostgreSQL clusters.
import { defineConfig } from 'vitest/config';

const UNIT_TESTS = ['{contract,server,web,bench}/**/*.test.ts'];
const DATABASE_TESTS = ['server/**/*.pg.test.ts'];
const EVERYWHERE_EXCLUDED = ['**/node_modules/**', '**/dist/**'];

/** Only for a replay: without the variable every run tries new inputs. */
const PROPERTY_SEED = process.env['MILLRACE_SEED'] === undefined ? [] : ['server/test/property-seed.ts'];

export default defineConfig({
  test: {
    reporters: ['default', './scripts/closing-line-reporter.mjs'],
    projects: [
      {
        test: {
          name: 'unit',
          setupFiles: PROPERTY_SEED,
          include: UNIT_TESTS,
          exclude: [...EVERYWHERE_EXCLUDED, ...DATABASE_TESTS],
          // Property tests take seconds alone, and much longer on a machine that does other things too.
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'pg',
          setupFiles: PROPERTY_SEED,
          include: DATABASE_TESTS,
          exclude: EVERYWHERE_EXCLUDED,
          globalSetup: ['server/test/pg/global-setup.ts'],
          pool: 'forks',
          // Two clusters serve all files: more workers than this only make them wait for each other.
          maxWorkers: 2,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // On a shared machine a server may lose its processor for seconds. A test that fails twice in a row is no accident;
          // one that needed its second chance is shown as retried.
          retry: process.env['CI'] === undefined ? 0 : 2,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
