// Random values as SQL literals: the ordinary ones, and those that are easy to spoil on the way.
import { quoteLiteral } from '../../../src/pg/ident.ts';
import type { Random } from '../../fuzz/random.ts';

/** A short text, NULL now and then. */
export function textLiteral(random: Random): string {
  if (random.oneIn(10)) return 'NULL';
  return quoteLiteral(random.oneIn(3) ? random.pick(HARD_TEXTS) : `text ${random.below(1_000_000)}`);
}

/** An expression for a text of `sizeBytes` that does not compress to nothing and differs from call to call. */
export function largeText(random: Random, sizeBytes: number): string {
  return `left(repeat(md5('${random.uint32()}'), ${Math.ceil(sizeBytes / 32)}), ${sizeBytes})`;
}

/** A value for a column of one of the types of `wide`. */
export function valueOf(type: string, random: Random): string {
  if (random.oneIn(12)) return 'NULL';
  switch (type) {
    case 'int':
      return String(random.below(2 ** 31) - 2 ** 30);
    case 'text':
      return textLiteral(random);
    case 'numeric':
      return random.pick(NUMERICS);
    case 'timestamptz':
      return random.pick(TIMESTAMPS);
    case 'boolean':
      return random.oneIn(2) ? 'true' : 'false';
    case 'float8':
      return random.pick(FLOATS);
    default:
      throw new TypeError(`no values for the type ${type}`);
  }
}

/** An assignment `column = value` of the table `zoo`. */
export function zooAssignment(random: Random): string {
  const [column, values] = random.pick(ZOO);
  return `${column} = ${random.oneIn(8) ? 'NULL' : random.pick(values)}`;
}

const HARD_TEXTS = [
  '',
  ' ',
  '\\N',
  '\\.',
  "it's",
  'a\tb\nc\rd',
  'back\\slash \\\\ \\x41',
  '"quoted", {braces}',
  'žluťoučký kůň 🐎 \u{1F469}\u200D\u{1F52C}',
  '\uFEFFbom',
  'NULL',
  '__proto__',
] as const;

const NUMERICS = ['0', '-0.00', '1.10', "'NaN'", '1e-20', '123456789012345678901234567890.123456789', '-5'] as const;
const TIMESTAMPS = [
  "'infinity'",
  "'-infinity'",
  "'0044-03-15 12:00:00 BC'",
  "'294276-12-31 23:59:59.999999'",
  "'2024-02-29 23:59:59.123456+05:45'",
  'clock_timestamp()',
] as const;
const FLOATS = ["'NaN'", "'Infinity'", "'-Infinity'", "'-0'", '0.1', '1e308', '5e-324', '-2.5'] as const;

const ZOO: readonly (readonly [column: string, literals: readonly string[]])[] = [
  ['b', ['true', 'false']],
  ['i2', ['-32768', '32767', '0']],
  ['i8', ['-9223372036854775808', '9223372036854775807', '9007199254740993']],
  ['num', [...NUMERICS, "repeat('9', 1000)::numeric", "('0.' || repeat('1', 500))::numeric"]],
  ['f4', ["'NaN'", "'-0'", '1.1754944e-38', '3.4028235e38', '0.3']],
  ['f8', FLOATS],
  ['d', ["'infinity'", "'-infinity'", "'4713-01-01 BC'", "'5874897-12-31'", "'2024-02-29'"]],
  ['t', ["'24:00:00'", "'00:00:00'", "'23:59:59.999999'"]],
  ['tz', ["'24:00:00-15:59:59'", "'00:00:00+15:59:59'", "'12:00:00.5+01'"]],
  ['ts', ["'infinity'", "'4713-01-01 00:00:00 BC'", "'294276-12-31 23:59:59.999999'"]],
  ['tstz', TIMESTAMPS],
  ['span', ["'1 year -2 months 3 days -04:05:06.789'", "'-178000000 years'", "'0'", "'1 microsecond'"]],
  ['raw', ["''", String.raw`'\x00ff5c275c5c'`, "decode(repeat('00ff', 3000), 'hex')"]],
  ['u', ["'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"]],
  ['net', ["'::1/64'", "'10.0.0.1/32'", "'192.168.0.1/24'"]],
  ['bits', ["B''", "B'10110011100011110000'"]],
  ['money', ["'-92233720368547758.08'", "'0.01'"]],
  ['point', ["'(NaN,Infinity)'", "'(-0,1e-300)'"]],
  ['tsv', ["'a:1A fat:2B,4C cat:5'", "''"]],
  ['one', ["''", "'x'", String.raw`'\377'`]],
];
