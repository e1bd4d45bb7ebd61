// What the chaos is asked to do: the command line as a checked value.
import { parseArgs } from 'node:util';
import { POSTGRES_MAJORS, type PostgresMajor } from '../../src/app/embedded/binaries.ts';

/** The kinds of faults, in the order in which they are tried. */
export const LANES = ['kills', 'failpoints', 'servers', 'network', 'fencing'] as const;
export type LaneName = (typeof LANES)[number];

export interface ChaosOptions {
  readonly seed: number;
  readonly lanes: readonly LaneName[];
  readonly kills: number;
  readonly serverKills: number;
  readonly cuts: number;
  readonly halfOpen: number;
  readonly takeOvers: number;
  readonly rowsPerSecond: number;
  readonly rows: number;
  readonly toastBytes: number;
  readonly version: PostgresMajor;
  readonly durable: boolean;
}

export const USAGE = `npm run chaos -- [options]

  --only kills,failpoints,servers,network,fencing   which faults (default: all)
  --kills N           kill -9 of the process at random moments (default: 100)
  --server-kills N    kill -9 of each server (default: 10)
  --cuts N            connections cut at random bytes (default: 40)
  --half-open N       connections that fall silent (default: 6)
  --take-overs N      processes that are put to sleep and replaced (default: 5)
  --seed N            repeats the choices of a run (default: by the clock; printed)
  --rate N            row operations a second while the application writes (default: 1500)
  --rows N            rows that each table begins with (default: 400)
  --toast-bytes N     size of each large value at the beginning (default: 60000)
  --version ${POSTGRES_MAJORS.join('|')}   of both clusters (default: 17)
  --no-durable        fsync off
`;

/** Reads the command line. Throws an `Error` whose message says which option is wrong. */
export function parseOptions(argv: readonly string[], now: number): ChaosOptions | 'help' {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      only: { type: 'string' },
      kills: { type: 'string', default: '100' },
      'server-kills': { type: 'string', default: '10' },
      cuts: { type: 'string', default: '40' },
      'half-open': { type: 'string', default: '6' },
      'take-overs': { type: 'string', default: '5' },
      seed: { type: 'string', default: String(now % 1_000_000) },
      rate: { type: 'string', default: '1500' },
      rows: { type: 'string', default: '400' },
      'toast-bytes': { type: 'string', default: '60000' },
      version: { type: 'string', default: '17' },
      'no-durable': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  return {
    seed: wholeNumber('--seed', values.seed),
    lanes: lanesOf(values.only),
    kills: wholeNumber('--kills', values.kills),
    serverKills: wholeNumber('--server-kills', values['server-kills']),
    cuts: wholeNumber('--cuts', values.cuts),
    halfOpen: wholeNumber('--half-open', values['half-open']),
    takeOvers: wholeNumber('--take-overs', values['take-overs']),
    rowsPerSecond: wholeNumber('--rate', values.rate),
    rows: wholeNumber('--rows', values.rows),
    toastBytes: wholeNumber('--toast-bytes', values['toast-bytes']),
    version: versionOf(values.version),
    durable: !values['no-durable'],
  };
}

function lanesOf(list: string | undefined): readonly LaneName[] {
  if (list === undefined) return LANES;
  const wanted = list.split(',').map((name) => {
    const lane = LANES.find((known) => known === name.trim());
    if (lane === undefined) throw new Error(`--only: choose from ${LANES.join(', ')}`);
    return lane;
  });
  return LANES.filter((lane) => wanted.includes(lane));
}

function versionOf(text: string): PostgresMajor {
  const major = POSTGRES_MAJORS.find((known) => String(known) === text);
  if (major === undefined) throw new Error(`--version: choose from ${POSTGRES_MAJORS.join(', ')}`);
  return major;
}

function wholeNumber(option: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`${option}: a whole number is expected, not ${text}`);
  return Number(text);
}
