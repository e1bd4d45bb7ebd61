// What the bench is asked to do: the command line as a checked value.
import { parseArgs } from 'node:util';
import { LAYOUTS, type LayoutName } from './layouts.ts';

/** The scenarios, in the order in which they run. */
export const SCENARIOS = ['a', 'b', 'c', 'd', 'lag', 'e'] as const;
export type Scenario = (typeof SCENARIOS)[number];

/** Who is measured. `pipe` and `decode` are floors: a raw COPY pipe, and a receiver that throws everything away. */
const NEIGHBOURS = ['decode', 'pipe', 'native', 'native-binary'] as const;
export type Contender = (typeof NEIGHBOURS)[number] | LayoutName;
export const CONTENDERS: readonly Contender[] = [...NEIGHBOURS, ...(Object.keys(LAYOUTS) as LayoutName[])];

/** Who is measured when nobody is named: other layouts are measured against `millrace`, which is a question of its own. */
const USUAL: readonly Contender[] = [...NEIGHBOURS, 'millrace'];

export const VERSIONS = [13, 15, 17, 18] as const;
export type Version = (typeof VERSIONS)[number];

export interface BenchOptions {
  readonly version: Version;
  readonly scenarios: readonly Scenario[];
  readonly contenders: readonly Contender[];
  readonly rounds: number;
  /** Multiplies every row and transaction count; 1 is the published size. */
  readonly rowsScale: number;
  readonly lagSeconds: number;
  /** Transactions a second of the lag scenario. */
  readonly lagRate: number;
  /** fsync on: the disk is measured too. */
  readonly durable: boolean;
  /** Where the clusters live while the bench runs; null: a directory under the system's temporary one. */
  readonly directory: string | null;
  /** Where the JSON result goes; null: nowhere. */
  readonly jsonFile: string | null;
}

const LAYOUT_NAMES = Object.keys(LAYOUTS)
  .filter((name) => name !== 'millrace')
  .join(',');

export const USAGE = `npm run bench -- [options]

  --scenario a,b,c,d,lag,e   what to measure (default: all)
      a    first copy of 2,000,000 rows
      b    catch-up of 300,000 one-row transactions
      c    one transaction that updates 500,000 rows
      d    one transaction that inserts 1,000,000 rows
      lag  commit at the source to visible at the destination, at 2,000 transactions a second
      e    one transaction that inserts 5,000,000 rows
  --only LIST                of decode,pipe,native,native-binary,millrace (default: these),
                             and millrace in other layouts: ${LAYOUT_NAMES}
  --rounds N                 rounds of every scenario (default: 3); medians are printed
  --rows-scale X             multiplies all counts, e.g. 0.1 for a quick look (default: 1)
  --lag-seconds N            length of the lag scenario (default: 30)
  --lag-rate N               its transactions a second (default: 2000)
  --version 13|15|17|18      of both clusters (default: 17)
  --durable                  fsync on (default: off on both sides)
  --dir DIRECTORY            where the clusters live meanwhile (default: a temporary directory)
  --json FILE                writes every measurement
`;

/** Reads the command line. Throws an `Error` whose message says which option is wrong. */
export function parseOptions(argv: readonly string[]): BenchOptions | 'help' {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      scenario: { type: 'string' },
      only: { type: 'string' },
      rounds: { type: 'string', default: '3' },
      'rows-scale': { type: 'string', default: '1' },
      'lag-seconds': { type: 'string', default: '30' },
      'lag-rate': { type: 'string', default: '2000' },
      version: { type: 'string', default: '17' },
      durable: { type: 'boolean', default: false },
      dir: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  return {
    version: oneOf('--version', Number(values.version), VERSIONS),
    scenarios: subset('--scenario', values.scenario, SCENARIOS),
    contenders: values.only === undefined ? USUAL : subset('--only', values.only, CONTENDERS),
    rounds: wholeNumber('--rounds', values.rounds),
    rowsScale: positive('--rows-scale', values['rows-scale']),
    lagSeconds: wholeNumber('--lag-seconds', values['lag-seconds']),
    lagRate: wholeNumber('--lag-rate', values['lag-rate']),
    durable: values.durable,
    directory: values.dir ?? null,
    jsonFile: values.json ?? null,
  };
}

function oneOf<T>(option: string, value: unknown, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw new Error(`${option}: choose from ${allowed.join(', ')}`);
  return found;
}

function subset<T extends string>(option: string, list: string | undefined, allowed: readonly T[]): readonly T[] {
  if (list === undefined) return allowed;
  const wanted = new Set(list.split(',').map((name) => oneOf(option, name.trim(), allowed)));
  return allowed.filter((name) => wanted.has(name));
}

function wholeNumber(option: string, text: string): number {
  const value = positive(option, text);
  if (!Number.isSafeInteger(value)) throw new Error(`${option}: a whole number is expected, not ${text}`);
  return value;
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new Error(`${option}: a number above 0 is expected, not ${text}`);
  return value;
}
