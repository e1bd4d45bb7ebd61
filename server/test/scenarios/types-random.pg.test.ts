// Random values of the types that people use most, some hundred of each: what the samples do not think of.
import fc from 'fast-check';
import { expect, onTestFailed, test } from 'vitest';
import { usePostgres } from '../pg/use-postgres.ts';
import { expectEqual } from '../pipeline/compare.ts';
import { watchOnce } from '../pipeline/watched.ts';

const pg = usePostgres();
const VALUES_PER_TYPE = 150;

/** Any text that Postgres stores: no NUL, no lone surrogate. */
const text = fc.string({ unit: 'binary', maxLength: 40 }).map((value) => value.replaceAll('\0', ''));
const digits = (max: number): fc.Arbitrary<string> => fc.stringMatching(new RegExp(`^[0-9]{1,${max}}$`));
const json: fc.Arbitrary<string> = fc.json({ stringUnit: 'grapheme' }).map((value) => value.replaceAll('\\u0000', ''));
/** jsonb refuses escaped surrogates that have no partner. */
const jsonb = json.map((value) => value.replaceAll(/\\u[dD][89a-fA-F][0-9a-fA-F]{2}/g, ''));
const timestamp = fc
  .record({
    year: fc.integer({ min: 1, max: 294_275 }),
    day: fc.integer({ min: 1, max: 28 }),
    month: fc.integer({ min: 1, max: 12 }),
    micros: fc.integer({ min: 0, max: 86_399_999_999 }),
    bc: fc.boolean(),
  })
  .map(({ year, month, day, micros, bc }) => {
    const two = (value: number): string => String(Math.trunc(value)).padStart(2, '0');
    const clock = `${two(micros / 3_600_000_000)}:${two((micros / 60_000_000) % 60)}:${two((micros / 1_000_000) % 60)}.${String(micros % 1_000_000).padStart(6, '0')}`;
    return `${String(bc ? (year % 4_000) + 1 : year).padStart(4, '0')}-${two(month)}-${two(day)} ${clock}${bc ? ' BC' : ''}`;
  });

/** As hours and the rest: servers before 15 read no more microseconds than fit an int4. */
function clockOf(micros: bigint): string {
  const left = micros < 0n ? -micros : micros;
  const two = (value: bigint): string => String(value).padStart(2, '0');
  const seconds = left / 1_000_000n;
  const clock = `${seconds / 3_600n}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}.${String(left % 1_000_000n).padStart(6, '0')}`;
  return micros < 0n ? `-${clock}` : clock;
}

/** By type: literals that the type reads. */
const LITERALS: Readonly<Record<string, fc.Arbitrary<string>>> = {
  bool: fc.boolean().map(String),
  int2: fc.integer({ min: -32_768, max: 32_767 }).map(String),
  int4: fc.integer().map(String),
  int8: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  float4: fc.float().map((value) => (Object.is(value, -0) ? '-0' : String(value))),
  float8: fc.double().map((value) => (Object.is(value, -0) ? '-0' : String(value))),
  numeric: fc
    .tuple(fc.constantFrom('', '-'), digits(60), fc.option(digits(60)))
    .map(([sign, whole, part]) => `${sign}${whole}${part === null ? '' : `.${part}`}`),
  'numeric(12,4)': fc.tuple(fc.constantFrom('', '-'), digits(8), digits(4)).map(([sign, whole, part]) => `${sign}${whole}.${part}`),
  text,
  varchar: text,
  'char(20)': text.map((value) => [...value].slice(0, 20).join('')),
  bytea: fc.uint8Array({ maxLength: 60 }).map((bytes) => `\\x${Buffer.from(bytes).toString('hex')}`),
  json,
  jsonb,
  uuid: fc.uuid(),
  date: timestamp.map((value) => `${value.split(' ')[0]}${value.endsWith('BC') ? ' BC' : ''}`),
  timestamp,
  timestamptz: fc
    .tuple(timestamp, fc.integer({ min: -15, max: 14 }))
    .map(([value, zone]) => value.replace(/( BC)?$/, `${zone < 0 ? '-' : '+'}${Math.abs(zone)}$1`)),
  time: timestamp.map((value) => value.split(' ')[1] ?? ''),
  timetz: fc
    .tuple(timestamp, fc.integer({ min: -15, max: 14 }))
    .map(([value, zone]) => `${value.split(' ')[1]}${zone < 0 ? '-' : '+'}${Math.abs(zone)}`),
  interval: fc
    .tuple(
      fc.integer({ min: -100_000, max: 100_000 }),
      fc.integer({ min: -100_000, max: 100_000 }),
      fc.bigInt({ min: -(2n ** 60n), max: 2n ** 60n }),
    )
    .map(([months, days, micros]) => `${months} mons ${days} days ${clockOf(micros)}`),
  inet: fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })).map(([ip, mask]) => `${ip}/${mask}`),
  ),
  'varbit(80)': fc.stringMatching(/^[01]{0,80}$/),
  int4range: fc.tuple(fc.integer(), fc.integer()).map(([a, b]) => `[${Math.min(a, b)},${Math.max(a, b)})`),
  numrange: fc
    .tuple(fc.integer(), fc.constantFrom('[', '('), fc.constantFrom(']', ')'))
    .map(([a, open, close]) => `${open}${a}.50,${a + 7}.500${close}`),
  point: fc.tuple(fc.double({ noNaN: true }), fc.double({ noNaN: true })).map(([x, y]) => `(${x},${y})`),
  'text[]': fc.array(fc.option(text), { maxLength: 6 }).map(arrayLiteral),
  'int8[]': fc.array(fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String)), { maxLength: 6 }).map(arrayLiteral),
  'jsonb[]': fc.array(fc.option(jsonb), { maxLength: 4 }).map(arrayLiteral),
  tsvector: fc
    .array(fc.stringMatching(/^[a-z]{1,9}$/), { maxLength: 8 })
    .map((words) => words.map((word, index) => `${word}:${index + 1}${'ABCD'[index % 4]}`).join(' ')),
};

test('random values arrive byte for byte, by load and by stream', async () => {
  const ends = { source: await pg.source.createDatabase(), destination: await pg.destination.createDatabase() };
  const { source } = ends;
  // A global seed replays a run: MILLRACE_SEED.
  const seed = fc.readConfigureGlobal().seed ?? Math.trunc(Math.random() * 2 ** 31);
  onTestFailed(() => void process.stderr.write(`replay with MILLRACE_SEED=${seed}\n`));
  const types = Object.entries(LITERALS);
  const samples = types.map(([, arbitrary], index) => fc.sample(arbitrary, { seed: seed + index, numRuns: VALUES_PER_TYPE }));
  const list = types.map(([type], index) => `"c${index}" ${type}`).join(', ');
  await source.query(
    `CREATE TABLE public.keyed (id int PRIMARY KEY, ${list}); CREATE TABLE public.loose (${list}); ALTER TABLE public.loose REPLICA IDENTITY FULL`,
  );
  const insert = async (from: number, to: number): Promise<void> => {
    const columns = types.map(([type], index) => `pg_catalog.unnest($${index + 1}::pg_catalog.text[])::${type} AS "c${index}"`).join(', ');
    const values = samples.map((literals) => literals.slice(from, to));
    await source.query(
      `INSERT INTO public.keyed SELECT ${from} + pg_catalog.row_number() OVER (), v.* FROM (SELECT ${columns}) AS v`,
      values,
    );
  };
  const half = VALUES_PER_TYPE / 2;
  await insert(0, half);
  const names = types.map((_, index) => `"c${index}"`).join(', ');
  await source.query(`INSERT INTO public.loose SELECT ${names} FROM public.keyed`);
  const tables = ['keyed', 'loose'].map((name) => ({ table: { schema: 'public', name } }));
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, ...tables);
  await insert(half, VALUES_PER_TYPE);
  await source.query(
    `INSERT INTO public.loose SELECT ${names} FROM public.keyed WHERE id > ${half}; DELETE FROM public.keyed WHERE id % 7 = 0`,
  );
  const updates = types.map((_, index) => `"c${index}" = s."c${index}"`).join(', ');
  await source.query(`UPDATE public.keyed AS t SET ${updates} FROM public.keyed AS s WHERE s.id = t.id + 1 AND t.id % 3 = 0`);
  await source.query(
    'DELETE FROM public.loose WHERE ctid IN (SELECT ctid FROM public.loose ORDER BY ctid LIMIT 30); UPDATE public.loose SET "c2" = NULL WHERE "c2" > 0',
  );
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, ...tables);
  await source.dropSlots();
});

function arrayLiteral(items: readonly (string | null)[]): string {
  return `{${items.map((item) => (item === null ? 'NULL' : `"${item.replaceAll(/["\\]/g, String.raw`\$&`)}"`)).join(',')}}`;
}
