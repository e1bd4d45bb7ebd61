// PostgreSQL's own logical replication as a contender: publication, subscription, and how to tell that it is done.
import { quoteLiteral } from '../../server/src/pg/ident.ts';
import { ADD_ITEMS_KEY, CREATE_ITEMS, CREATE_TICKS } from '../dataset.sql.ts';
import { type Effort, stopwatch } from '../measurement.ts';
import { waitUntil, type Workbench } from '../workbench.ts';

const NAME = 'bench_native';

export interface NativePair {
  readonly source: string;
  readonly destination: string;
}

/** Makes the publication, and a destination database with the same empty tables: native replication makes none. */
export async function prepareNative(bench: Workbench, pair: NativePair): Promise<void> {
  await bench.use('source', pair.source, async (session) => {
    const made = await session.query('SELECT 1 FROM pg_catalog.pg_publication WHERE pubname = $1', [NAME]);
    if (made.length === 0) await session.query(`CREATE PUBLICATION ${NAME} FOR ALL TABLES`);
  });
  await bench.createDatabase('destination', pair.destination);
  await bench.use('destination', pair.destination, async (session) => {
    await session.query(CREATE_ITEMS);
    await session.query(ADD_ITEMS_KEY);
    await session.query(CREATE_TICKS);
  });
}

/** The first copy: from CREATE SUBSCRIPTION until every table is ready. `binary` also copies in binary from 16 on. */
export async function copyByNative(bench: Workbench, pair: NativePair, transfer: 'text' | 'binary'): Promise<Effort> {
  const elapsed = stopwatch();
  const { host, port, user, database } = bench.connection('source', pair.source);
  const conninfo = `host=${host} port=${port} user=${user} password=${bench.password.reveal()} dbname=${database}`;
  const options = transfer === 'binary' ? 'copy_data = true, binary = true' : 'copy_data = true';
  await bench.use('destination', pair.destination, async (session) => {
    await session.query(`CREATE SUBSCRIPTION ${NAME} CONNECTION ${quoteLiteral(conninfo)} PUBLICATION ${NAME} WITH (${options})`);
    await waitUntil(async () => {
      const unready = await session.query("SELECT 1 FROM pg_catalog.pg_subscription_rel WHERE srsubstate <> 'r'");
      return unready.length === 0 ? 'ready' : null;
    }, 'the native first copy');
  });
  return { seconds: elapsed(), wholeSeconds: null, process: null };
}

/** Lets the subscription apply what has been written. */
export async function enableNative(bench: Workbench, pair: NativePair): Promise<void> {
  await bench.use('destination', pair.destination, async (session) => void (await session.query(`ALTER SUBSCRIPTION ${NAME} ENABLE`)));
}

/** Stops the subscription and waits until it has left its slot. */
export async function disableNative(bench: Workbench, pair: NativePair): Promise<void> {
  await bench.use('destination', pair.destination, async (session) => void (await session.query(`ALTER SUBSCRIPTION ${NAME} DISABLE`)));
  await bench.use('source', pair.source, (session) =>
    waitUntil(async () => {
      const active = await session.query('SELECT 1 FROM pg_catalog.pg_replication_slots WHERE slot_name = $1 AND active', [NAME]);
      return active.length === 0 ? 'idle' : null;
    }, 'the native slot to be left'),
  );
}

/** Removes the subscription (which would keep its database), its slot and the database. */
export async function dropNative(bench: Workbench, pair: NativePair): Promise<void> {
  await disableNative(bench, pair);
  await bench.use('destination', pair.destination, async (session) => {
    await session.query(`ALTER SUBSCRIPTION ${NAME} SET (slot_name = NONE)`);
    await session.query(`DROP SUBSCRIPTION ${NAME}`);
  });
  await bench.use('source', pair.source, async (session) => {
    await session.query('SELECT pg_catalog.pg_drop_replication_slot($1)', [NAME]);
  });
  await bench.dropDatabase('destination', pair.destination);
}
