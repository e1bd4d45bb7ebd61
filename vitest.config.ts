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
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
