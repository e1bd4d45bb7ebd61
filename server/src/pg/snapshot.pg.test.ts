// Postgres knows what its snapshots see: `pg_visible_in_snapshot` is the oracle.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { usePostgres } from '../../test/pg/use-postgres.ts';
import { formatSnapshot, isVisible, parseSnapshot } from './snapshot.ts';

const pg = usePostgres();
const EPOCH = 2n ** 32n;

describe('visibility', () => {
  it('is what Postgres says, for ids near and far of either epoch', async () => {
    const [samples] = fc.sample(anySample, { numRuns: 1, seed: SEED }) as [Sample[]];
    const rows = await pg.source.query(
      `SELECT pg_catalog.pg_visible_in_snapshot(sample.id::pg_catalog.xid8, sample.snapshot::pg_catalog.pg_snapshot)
       FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) WITH ORDINALITY AS sample (id, snapshot, position)
       ORDER BY sample.position`,
      [samples.map(({ id }) => String(id)), samples.map(({ snapshot }) => snapshot)],
    );
    const ours = samples.map(({ id, snapshot }) => isVisible(parseSnapshot(snapshot), Number(id % EPOCH)));
    expect(
      ours.map((visible) => (visible ? 't' : 'f')),
      `seed ${SEED}`,
    ).toEqual(rows.map(([visible]) => visible));
  });

  it('of a snapshot that Postgres prints can be told', async () => {
    const database = await pg.source.createDatabase();
    await database.query('SELECT pg_catalog.pg_current_xact_id()');
    const [[text, done] = []] = await database.query(
      'SELECT pg_catalog.pg_current_snapshot(), pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())',
    );
    const snapshot = parseSnapshot(String(text));
    expect(formatSnapshot(snapshot)).toBe(text);
    expect(isVisible(snapshot, Number(BigInt(String(done)) % EPOCH) - 1)).toBe(true);
    expect(isVisible(snapshot, snapshot.xmaxLow)).toBe(false);
  });
});

interface Sample {
  readonly id: bigint;
  readonly snapshot: string;
}

const SEED = Date.now() % 2 ** 31;

/** A thousand ids, each with a snapshot whose xmax often stands just behind a wraparound. */
const anySample: fc.Arbitrary<Sample[]> = fc.array(
  fc
    .record({
      xmax: fc.tuple(fc.bigInt({ min: 1n, max: 5n }), fc.bigInt({ min: 3n, max: 400n })).map(([epoch, low]) => epoch * EPOCH + low),
      span: fc.bigInt({ min: 1n, max: 800n }),
      steps: fc.array(fc.bigInt({ min: 1n, max: 60n }), { maxLength: 20 }),
      distance: fc.oneof(fc.bigInt({ min: -900n, max: 100n }), fc.bigInt({ min: -(2n ** 31n) + 1n, max: 2n ** 31n - 1n })),
    })
    .map(({ xmax, span, steps, distance }) => {
      const xmin = isNormal(xmax - span) ? xmax - span : xmax - span - 3n;
      let id = xmin - 1n;
      const running = steps.map((step) => (id += step)).filter((one) => one >= xmin && one < xmax && isNormal(one));
      return { id: xmax + distance, snapshot: `${xmin}:${xmax}:${running.join(',')}` };
    }),
  { minLength: 1_000, maxLength: 1_000 },
);

/** After a wraparound Postgres begins again with 3, and refuses to read the ids that it skips. */
function isNormal(id: bigint): boolean {
  return id % EPOCH >= 3n;
}
