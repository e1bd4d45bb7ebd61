import { expect, test } from 'vitest';
import { MillraceError } from '../../../src/model/error.ts';
import { WireSession } from '../../../src/db/wire-session.ts';
import { Random } from '../../fuzz/random.ts';
import { usePostgres } from '../../pg/use-postgres.ts';
import { ACTIONS } from './actions.ts';
import { CREATE_TABLES, fillTables } from './schema.sql.ts';
import { runStep } from './writer.ts';

const pg = usePostgres();
const TIMES = 40;

/** What chance may lead to: a key that is taken, a value of a range that is full. */
const BY_CHANCE = new Set(['23505']);

test('every action of the workload is one that the server carries out', async () => {
  const database = await pg.source.createDatabase();
  await database.query(CREATE_TABLES);
  await database.query(fillTables({ rows: 100, toastBytes: 3_000 }));
  const wire = new WireSession(await database.open());
  const random = new Random(11);
  for (const [index, action] of ACTIONS.entries()) {
    let done = 0;
    for (let i = 0; i < TIMES; i++) {
      for (const step of action.steps(random)) {
        try {
          await runStep(wire, step);
          done++;
        } catch (error) {
          const sqlstate = error instanceof MillraceError ? (error.facts.sqlstate ?? '') : '';
          if (!BY_CHANCE.has(sqlstate)) throw new Error(`action ${index} failed: ${JSON.stringify(step)}`, { cause: error });
        }
      }
    }
    expect(done, `action ${index} succeeds now and then`).toBeGreaterThan(TIMES / 4);
  }
  await wire.close();
});
