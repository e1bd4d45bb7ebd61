import { expect, test } from 'vitest';
import type { TestDatabase } from '../../test/pg/test-database.ts';
import { usePostgres } from '../../test/pg/use-postgres.ts';
import { waitFor } from '../../test/pg/wait-for.ts';
import type { PgSession } from '../db/session.ts';
import { quoteIdent } from '../pg/ident.ts';
import { LSN_ZERO } from '../pg/lsn.ts';
import { openChangeStream } from './change-stream.ts';
import { inspectSlot } from './slot.ts';
import { releaseSlot } from './slot-release.ts';

const pg = usePostgres();

test('a slot that a former process streams from is freed', async () => {
  const { database, session, slot } = await streaming();
  expect(await releaseSlot(session, slot)).toBe(true);
  expect(await inspectSlot(session, slot)).toMatchObject({ kind: 'healthy', activePid: null });
  await database.dropSlots();
});

test('a slot that nobody uses, or that is not there, is free', async () => {
  const { database, session, slot, stop } = await streaming();
  await stop();
  expect(await releaseSlot(session, slot)).toBe(true);
  expect(await releaseSlot(session, 'no_such_slot')).toBe(true);
  await database.dropSlots();
});

test('a slot that another role streams from is left to it', async () => {
  const { database, slot, stop } = await streaming();
  const role = await pg.source.createRole({ attributes: 'LOGIN REPLICATION' });
  const session = await database.open({ role });
  expect(await releaseSlot(session, slot)).toBe(false);
  await stop();
  await database.dropSlots();
});

interface Streaming {
  readonly database: TestDatabase;
  readonly session: PgSession;
  readonly slot: string;
  readonly stop: () => Promise<void>;
}

/** A slot with a stream that reads from it. */
async function streaming(): Promise<Streaming> {
  const database = await pg.source.createDatabase();
  const slot = `release_${database.name}`;
  await database.query(`CREATE PUBLICATION ${quoteIdent(slot)}`);
  await database.query("SELECT pg_catalog.pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
  const session = await database.open();
  const options = {
    slotName: slot,
    publications: [slot],
    from: LSN_ZERO,
    format: 'text',
    applicationName: 'asleep',
    isBehind: () => false,
  } as const;
  const stream = await openChangeStream(database.settings(), options, () => {});
  await waitFor('the slot to be in use', async () => {
    const state = await inspectSlot(session, slot);
    return state.kind === 'healthy' && state.activePid !== null;
  });
  return { database, session, slot, stop: () => stream.close() };
}
