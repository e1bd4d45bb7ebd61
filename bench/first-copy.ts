// Scenario a: how long until a table of two million rows is at the destination, with its key.
import { copyByNative, dropNative, prepareNative } from './contenders/native.ts';
import { type MillraceProgram, millracePipeline } from './contenders/millrace.ts';
import { copyByPipe } from './contenders/pipe.ts';
import { FINGERPRINT_ITEMS, fingerprintItems } from './dataset.sql.ts';
import { assertEqual } from './equality.ts';
import { LAYOUTS, type LayoutName, presentRows } from './layouts.ts';
import { type Effort, type Measurement, measure, stopwatch } from './measurement.ts';
import type { Contender } from './options.ts';
import type { Workbench } from './workbench.ts';

/** Measures one contender on the source database `source`; it leaves nothing behind. */
export async function firstCopy(
  bench: Workbench,
  source: string,
  entry: { readonly contender: Contender; readonly round: number; readonly program: MillraceProgram | null },
): Promise<Measurement> {
  const copy = COPIES[entry.contender];
  if (copy === null) throw new Error(`${entry.contender} has no first copy`);
  const databases = { source, destination: 'bench_copy' };
  const { start, cleanUp } = await copy(bench, databases, entry.program);
  const { effort, processors, othersShare } = await measure(bench, start);
  const units = await assertEqual(bench, FINGERPRINT_ITEMS, databases, fingerprintItems(presentRows(entry.contender)));
  await cleanUp();
  return { ...effort, scenario: 'a', contender: entry.contender, round: entry.round, units, lag: null, processors, othersShare };
}

/** Whether a contender takes part: native replication copies in binary from version 16 on. */
export function copies(contender: Contender, version: number): boolean {
  return COPIES[contender] !== null && (contender !== 'native-binary' || version >= 16);
}

interface Databases {
  readonly source: string;
  readonly destination: string;
}

/** What is made before the clock runs, what the clock measures, and what is removed afterwards. */
interface Prepared {
  readonly start: () => Promise<Effort>;
  readonly cleanUp: () => Promise<void>;
}

type Copy = (bench: Workbench, databases: Databases, program: MillraceProgram | null) => Promise<Prepared>;

const COPIES: Readonly<Record<Contender, Copy | null>> = {
  decode: null,
  pipe: async (bench, databases) => ({
    start: await copyByPipe(bench, databases),
    cleanUp: () => bench.dropDatabase('destination', databases.destination),
  }),
  native: (bench, databases) => nativeCopy(bench, databases, 'text'),
  'native-binary': (bench, databases) => nativeCopy(bench, databases, 'binary'),
  ...copiesOfLayouts(),
};

function copiesOfLayouts(): Readonly<Record<LayoutName, Copy>> {
  const names = Object.keys(LAYOUTS) as LayoutName[];
  const copies = names.map((name): [string, Copy] => [name, (bench, databases, program) => millraceCopy(bench, databases, program, name)]);
  return Object.fromEntries(copies) as Record<LayoutName, Copy>;
}

async function nativeCopy(bench: Workbench, databases: Databases, transfer: 'text' | 'binary'): Promise<Prepared> {
  await prepareNative(bench, databases);
  return { start: () => copyByNative(bench, databases, transfer), cleanUp: () => dropNative(bench, databases) };
}

/** The whole command counts, from its start to its exit: connecting, checking, making slot and tables, copying, the key. */
async function millraceCopy(
  bench: Workbench,
  databases: Databases,
  program: MillraceProgram | null,
  layout: LayoutName,
): Promise<Prepared> {
  if (program === null) throw new Error('millrace was not bundled');
  await bench.createDatabase('destination', databases.destination);
  const run = await millracePipeline(bench, program, databases, layout);
  return {
    start: async () => {
      const elapsed = stopwatch();
      const usage = await run('once').ended;
      return { seconds: elapsed(), wholeSeconds: elapsed(), process: usage };
    },
    cleanUp: async () => {
      await dropSlots(bench, databases.source);
      await bench.dropDatabase('destination', databases.destination);
    },
  };
}

/** Millrace's slot goes with its source database only at the end of the round; until then it must not hold the log. */
async function dropSlots(bench: Workbench, source: string): Promise<void> {
  await bench.use('source', source, async (session) => {
    await session.query(
      `SELECT pg_catalog.pg_drop_replication_slot(slot_name)
       FROM pg_catalog.pg_replication_slots WHERE database = $1::text AND NOT active`,
      [source],
    );
    const publications = await session.query('SELECT pg_catalog.quote_ident(pubname) FROM pg_catalog.pg_publication');
    for (const [name] of publications) await session.query(`DROP PUBLICATION ${name}`);
  });
}
