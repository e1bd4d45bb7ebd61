// What an application may do to the tables in one statement or a few: every shape of change, chosen at random from a seed.
import { quoteLiteral } from '../../../src/pg/ident.ts';
import type { Random } from '../../fuzz/random.ts';
import { ACCOUNTS, WIDE_COLUMNS, WIDE_TYPES } from './schema.sql.ts';
import { largeText, textLiteral, valueOf, zooAssignment } from './values.ts';

/** A part of a transaction. `copy`: the rows of one COPY, which share a WAL record and its position. */
export type Step =
  | { readonly kind: 'sql'; readonly text: string }
  | { readonly kind: 'copy'; readonly into: string; readonly rows: string };

/** One thing to do. The statements succeed whatever rows there are; other writers may still make them fail. */
export interface Action {
  readonly weight: number;
  readonly steps: (random: Random) => readonly Step[];
}

/** Keys are drawn from so few that the same row is inserted, changed, moved, deleted and inserted again all the time. */
const KEYS = 400;

export const ACTIONS: readonly Action[] = [
  // Wide rows: few of many columns change.
  { weight: 6, steps: (random) => sql(`UPDATE chaos.wide SET ${wideAssignments(random)} WHERE ${someIds(random, 20)}`) },
  {
    weight: 2,
    steps: (random) => sql(`INSERT INTO chaos.wide (id, c1) VALUES ${rowsOf(random, 8)} ON CONFLICT (id) DO UPDATE SET c1 = EXCLUDED.c1`),
  },
  { weight: 2, steps: (random) => sql(`DELETE FROM chaos.wide WHERE ${someIds(random, 5)}`) },

  // Large values that most updates leave unchanged: the stream does not carry them.
  { weight: 8, steps: (random) => sql(`UPDATE chaos.toasty SET n = n + 1 WHERE ${someIds(random, 12)}`) },
  {
    weight: 2,
    steps: (random) =>
      sql(`UPDATE chaos.toasty SET ${random.pick(['body', 'pages[1]'])} = ${largeText(random, 9_000)} WHERE ${someIds(random, 3)}`),
  },
  {
    weight: 1,
    steps: (random) => sql(`UPDATE chaos.toasty SET doc = jsonb_set(doc, '{i}', '${random.below(1e6)}') WHERE ${someIds(random, 3)}`),
  },
  { weight: 1, steps: (random) => sql(`DELETE FROM chaos.toasty WHERE ${oneId(random)}`) },
  {
    weight: 2,
    steps: (random) =>
      sql(
        `INSERT INTO chaos.toasty (id, body) VALUES (${key(random)}, ${largeText(random, 12_000)}) ON CONFLICT (id) DO UPDATE SET n = toasty.n + 100`,
      ),
  },
  // The key moves, and the large value does not travel with it.
  { weight: 2, steps: (random) => sql(`UPDATE chaos.toasty SET id = ${freshKey(random)} WHERE ${oneId(random)}`) },

  {
    weight: 5,
    steps: (random) =>
      sql(
        `UPDATE chaos.composite SET amount = amount + 0.001, note = ${textLiteral(random)} WHERE region = 'r${random.below(5)}' AND seq % 20 = ${random.below(20)}`,
      ),
  },
  {
    weight: 2,
    steps: (random) => sql(`UPDATE chaos.composite SET day = day + ${1 + random.below(9)} WHERE seq % 90 = ${random.below(90)}`),
  },
  { weight: 2, steps: (random) => sql(`DELETE FROM chaos.composite WHERE seq % 150 = ${random.below(150)} OR day > '2024-03-15'`) },
  {
    weight: 3,
    steps: (random) =>
      sql(
        `INSERT INTO chaos.composite SELECT 'r' || i % 5, date '2024-01-01' + i % 30, i, i, 'again' FROM generate_series(${key(random)}, ${key(random)}, 3) AS i ON CONFLICT DO NOTHING`,
      ),
  },

  // No key: duplicates, NULLs, and deletes of exactly one of several equal rows.
  { weight: 4, steps: (random) => sql(`INSERT INTO chaos.bag VALUES ${bagRows(random)}`) },
  { weight: 2, steps: (random) => sql(`UPDATE chaos.bag SET weight = ${valueOf('float8', random)} WHERE k = ${random.below(40)}`) },
  {
    weight: 3,
    steps: (random) => sql(`DELETE FROM chaos.bag WHERE ctid = (SELECT ctid FROM chaos.bag WHERE k = ${random.below(40)} LIMIT 1)`),
  },
  { weight: 1, steps: (random) => sql(`DELETE FROM chaos.bag WHERE k = ${random.below(40)}`) },

  // Rows that move between partitions.
  {
    weight: 4,
    steps: (random) =>
      sql(`UPDATE chaos.readings SET site = '${site(random)}', value = value + 1 WHERE ${someIds(random, 6)} AND site = '${site(random)}'`),
  },
  { weight: 3, steps: (random) => sql(`UPDATE chaos.readings SET value = ${valueOf('numeric', random)} WHERE ${someIds(random, 12)}`) },
  { weight: 2, steps: (random) => sql(`DELETE FROM chaos.readings WHERE ${someIds(random, 4)}`) },
  {
    weight: 3,
    steps: (random) =>
      sql(
        `INSERT INTO chaos.readings VALUES ('${site(random)}', ${key(random)}, 1), ('${site(random)}', ${key(random)}, 2) ON CONFLICT DO NOTHING`,
      ),
  },

  {
    weight: 4,
    steps: (random) =>
      sql(
        `UPDATE chaos.kinds SET mood = ${mood(random)}, moods = ARRAY[${mood(random)}, NULL, ${mood(random)}]::chaos.mood[], tags = tags[1:3] || ARRAY[${textLiteral(random)}]::text[], span = '${random.pick(['empty', '[1,)', '(,5]', '[3,9)'])}' WHERE ${someIds(random, 6)}`,
      ),
  },
  {
    weight: 2,
    steps: (random) =>
      sql(`UPDATE chaos.kinds SET grid = '${random.pick(['[0:1]={7,8}', '{{1,2},{3,4}}', '{}', '{NULL,1}'])}' WHERE ${someIds(random, 6)}`),
  },
  { weight: 1, steps: (random) => sql(`DELETE FROM chaos.kinds WHERE ${oneId(random)}`) },
  {
    weight: 1,
    steps: (random) => sql(`INSERT INTO chaos.kinds (id, mood) VALUES (${key(random)}, ${mood(random)}) ON CONFLICT DO NOTHING`),
  },

  // Keys that move, and swap through a value that nobody has.
  { weight: 3, steps: (random) => sql(`UPDATE chaos.movers SET id = ${freshKey(random)} WHERE ${oneId(random)}`) },
  { weight: 3, steps: (random) => swap(random) },
  { weight: 2, steps: (random) => sql(`UPDATE chaos.movers SET label = ${textLiteral(random)} WHERE ${someIds(random, 6)}`) },
  {
    weight: 2,
    steps: (random) =>
      sql(
        `INSERT INTO chaos.movers VALUES (${key(random)}, 'new', ${largeText(random, 4_000)}) ON CONFLICT (id) DO UPDATE SET label = 'met'`,
      ),
  },
  { weight: 1, steps: (random) => sql(`DELETE FROM chaos.movers WHERE id > ${KEYS * 2} OR ${oneId(random)}`) },
  { weight: 2, steps: (random) => swapSeats(random) },

  { weight: 2, steps: (random) => sql(`UPDATE chaos.indexed SET v = v + 1 WHERE code = 'code ${key(random)}'`) },
  { weight: 1, steps: (random) => sql(`UPDATE chaos.indexed SET code = code || 'x' WHERE code = 'code ${key(random)}'`) },
  { weight: 1, steps: (random) => sql(`DELETE FROM chaos.indexed WHERE length(code) > 12 OR code = 'code ${key(random)}'`) },
  {
    weight: 1,
    steps: (random) => sql(`INSERT INTO chaos.indexed VALUES ('code ${key(random)}', 0, ${textLiteral(random)}) ON CONFLICT DO NOTHING`),
  },

  {
    weight: 2,
    steps: (random) => sql(`INSERT INTO chaos.events (kind, detail) VALUES (${textLiteral(random)}, '{"by": "insert"}'), ('two', NULL)`),
  },
  { weight: 2, steps: (random) => [{ kind: 'copy', into: 'chaos.events (kind, detail)', rows: eventRows(random) }] },
  { weight: 1, steps: (random) => [{ kind: 'copy', into: 'chaos.bag (k, label, weight)', rows: copiedBagRows(random) }] },

  {
    weight: 4,
    steps: (random) =>
      sql(
        `UPDATE chaos.documents SET ${random.oneIn(2) ? `plain = '${random.pick(JSONS)}'` : `packed = packed || '{"k${random.below(5)}": ${random.below(1e9)}.10}'`} WHERE ${someIds(random, 8)}`,
      ),
  },
  { weight: 1, steps: (random) => sql(`DELETE FROM chaos.documents WHERE ${oneId(random)}`) },
  { weight: 1, steps: (random) => sql(`INSERT INTO chaos.documents VALUES (${key(random)}, '[]', '{}') ON CONFLICT DO NOTHING`) },

  { weight: 5, steps: (random) => sql(`UPDATE chaos.zoo SET ${zooAssignment(random)} WHERE ${someIds(random, 8)}`) },
  { weight: 1, steps: (random) => sql(`DELETE FROM chaos.zoo WHERE ${oneId(random)}`) },
  { weight: 1, steps: (random) => sql(`INSERT INTO chaos.zoo (id) VALUES (${key(random)}) ON CONFLICT DO NOTHING`) },

  // Rows that come and go as a whole, with those that refer to them.
  {
    weight: 3,
    steps: (random) => sql(`INSERT INTO chaos.scratch VALUES ${rowsOf(random, 10)} ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v`),
  },
  {
    weight: 2,
    steps: (random) =>
      sql(`INSERT INTO chaos.scratch_child SELECT id, id, 'child' FROM chaos.scratch WHERE ${someIds(random, 10)} ON CONFLICT DO NOTHING`),
  },
  { weight: 2, steps: (random) => sql(`DELETE FROM chaos.scratch WHERE ${someIds(random, 3)}`) },
  { weight: 0.4, steps: () => sql('TRUNCATE chaos.scratch CASCADE') },
  { weight: 0.2, steps: () => sql('TRUNCATE chaos.scratch_child, chaos.events') },
  {
    weight: 0.2,
    steps: (random) => sql(`TRUNCATE chaos.scratch_child; INSERT INTO chaos.scratch_child VALUES (${key(random)}, NULL, 'after')`),
  },

  // Insert, delete and insert again of one key in one transaction.
  {
    weight: 1,
    steps: (random) => {
      const id = key(random);
      const insert = `INSERT INTO chaos.scratch VALUES (${id}, ${textLiteral(random)}) ON CONFLICT DO NOTHING`;
      return sql(
        `${insert}; DELETE FROM chaos.scratch WHERE id = ${id}; ${insert}; UPDATE chaos.scratch SET id = id + ${KEYS} WHERE id = ${id}; DELETE FROM chaos.scratch WHERE id = ${id + KEYS}`,
      );
    },
  },

  { weight: 10, steps: (random) => transfer(random) },

  // A large one: flushed in several parts, and visible as a whole.
  {
    weight: 0.1,
    steps: () => sql('UPDATE chaos.wide SET c0 = c0 + 1; UPDATE chaos.toasty SET n = n + 1; UPDATE chaos.composite SET amount = -amount'),
  },
  // More subtransactions than a backend keeps in shared memory.
  { weight: 0.2, steps: (random) => sql(manySubtransactions(random)) },
];

/** Moves money, and writes it down in a table without a key; the hot row counts. Accounts in order, so that no two wait for each other. */
function transfer(random: Random): readonly Step[] {
  const from = 1 + random.below(ACCOUNTS);
  const to = 1 + random.below(ACCOUNTS);
  if (from === to) return sql('UPDATE chaos.hot SET n = n + 1, at = clock_timestamp()');
  const amount = 1 + random.below(50);
  const change = (account: number): string =>
    `UPDATE chaos.bank SET balance = balance ${account === from ? '-' : '+'} ${amount}, transfers = transfers + 1 WHERE account = ${account}`;
  return sql(
    [
      ...[from, to].toSorted((a, b) => a - b).map(change),
      `INSERT INTO chaos.ledger VALUES (${from}, ${to}, ${amount})`,
      'UPDATE chaos.hot SET n = n + 1, at = clock_timestamp()',
    ].join('; '),
  );
}

function swap(random: Random): readonly Step[] {
  const [a, b] = [key(random), key(random)];
  if (a === b) return [];
  return sql(
    `UPDATE chaos.movers SET id = -1 WHERE id = ${a}; UPDATE chaos.movers SET id = ${a} WHERE id = ${b}; UPDATE chaos.movers SET id = ${b} WHERE id = -1`,
  );
}

/** A unique value that is no key changes hands. */
function swapSeats(random: Random): readonly Step[] {
  const [a, b] = [key(random), key(random)].toSorted((x, y) => x - y);
  if (a === b) return [];
  return sql(
    `UPDATE chaos.seats SET place = -1 WHERE id = ${a}; UPDATE chaos.seats SET place = ${a} WHERE id = ${b} AND NOT EXISTS (SELECT FROM chaos.seats WHERE place = ${a}); UPDATE chaos.seats SET place = COALESCE((SELECT max(place) + 1 FROM chaos.seats), 1) WHERE id = ${a}`,
  );
}

function manySubtransactions(random: Random): string {
  return `DO $do$ BEGIN
    FOR i IN 1..80 LOOP
      BEGIN
        UPDATE chaos.hot SET n = n + 1;
        UPDATE chaos.zoo SET i8 = i WHERE id = i + ${random.below(200)};
        IF i % 7 = 0 THEN RAISE EXCEPTION 'this one does not count'; END IF;
      EXCEPTION WHEN raise_exception THEN NULL;
      END;
    END LOOP;
  END $do$`;
}

function sql(text: string): readonly Step[] {
  return [{ kind: 'sql', text }];
}

function key(random: Random): number {
  return 1 + random.below(KEYS);
}

/** A key that hardly anybody has. */
function freshKey(random: Random): number {
  return random.oneIn(3) ? key(random) : KEYS + random.below(KEYS * 4);
}

function oneId(random: Random): string {
  return `id = ${key(random)}`;
}

function someIds(random: Random, count: number): string {
  const first = key(random);
  return `id BETWEEN ${first} AND ${first + random.below(count)}`;
}

/** `(id, text)` rows with different ids. */
function rowsOf(random: Random, most: number): string {
  const first = key(random);
  return Array.from({ length: 1 + random.below(most) }, (_, i) => `(${first + i}, ${textLiteral(random)})`).join(', ');
}

function wideAssignments(random: Random): string {
  const columns = new Set(Array.from({ length: 1 + random.below(5) }, () => random.below(WIDE_COLUMNS)));
  return [...columns].map((i) => `c${i} = ${valueOf(WIDE_TYPES[i % WIDE_TYPES.length] ?? 'int', random)}`).join(', ');
}

function bagRows(random: Random): string {
  const row = `(${random.below(40)}, ${textLiteral(random)}, ${valueOf('float8', random)})`;
  return Array.from({ length: 1 + random.below(4) }, () => row).join(', ');
}

/** In COPY's text format. */
function copiedBagRows(random: Random): string {
  const row = `${random.below(40)}\t${random.pick(['a', '\\N', 'tab\\there'])}\t${random.pick(['1', 'NaN', '-0'])}\n`;
  return row.repeat(2 + random.below(6));
}

function eventRows(random: Random): string {
  const count = 20 + random.below(60);
  return Array.from({ length: count }, (_, i) => `copied ${random.below(1e6)}\t{"i": ${i}}\n`).join('');
}

function site(random: Random): string {
  return random.pick(['north', 'south', 'east', 'west']);
}

function mood(random: Random): string {
  return quoteLiteral(random.pick(['sad', 'ok', 'happy', `it's "complicated"`]));
}

const JSONS = [
  '{"a": 1, "a": 2}',
  '[1e400, "\\u0000", "\\ud83d"]',
  '  {"spaced" : null }',
  '"text"',
  '{"__proto__": {"x": 9007199254740993}}',
];
