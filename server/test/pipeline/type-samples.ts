// Values of every built-in type that are easy to spoil on the way: limits, infinities, odd lengths, and characters that mean something.

/** A literal; `since`: the first major version that reads it. */
export type Sample = string | { readonly literal: string; readonly since: number };

/** The literals of `type` that servers of version `major` and later read. */
export function samplesFor(type: string, major: number): readonly string[] {
  const samples = SAMPLES.get(type) ?? [];
  return samples.flatMap((sample) => (typeof sample === 'string' ? [sample] : sample.since <= major ? [sample.literal] : []));
}

function since(major: number, ...literals: readonly string[]): readonly Sample[] {
  return literals.map((literal) => ({ literal, since: major }));
}

const ASCII = String.fromCharCode(...Array.from({ length: 127 }, (_, index) => index + 1));

const STRINGS = [
  '',
  ' ',
  '\\N',
  '\\.',
  'NULL',
  '"',
  "'",
  '{}',
  'a\tb\nc\rd\\e\fg\vh',
  ASCII,
  '\u{FEFF}bom',
  'e\u0301 \u00e9',
  '\u202eright to left',
  '\u{1F980}\u{10FFFF}\uFFFD',
  '  trailing  ',
  'x'.repeat(9_000),
];

const DOCUMENTS = ['{}', '[]', 'null', '""', '"\\"\\\\\\/\\b\\f\\n\\r\\t"', '[1e400, -0, 0.10]', '"\u{1F980}"'];

const INTS = (bits: bigint): readonly string[] => ['0', '-1', '1', String(2n ** (bits - 1n) - 1n), String(-(2n ** (bits - 1n)))];

const FLOATS = ['0', '-0', '1', 'NaN', 'Infinity', '-Infinity', '0.1', '1.1754944e-38', '-3.4028235e38', '1e-45'];

/** By `pg_type.typname`. A test fails when the catalogue has a type that is missing here. */
const SAMPLES: ReadonlyMap<string, readonly Sample[]> = new Map<string, readonly Sample[]>([
  ['bool', ['t', 'f']],
  [
    'bytea',
    ['\\x', '\\x00', '\\x5c785c30305c', `\\x${Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0')).join('')}`],
  ],
  ['char', ['', 'a', ' ', '\\200', '\\377', "'", '"', '\\']],
  ['name', ['', 'a', 'quote \' " \\', '\u{1F980}', 'n'.repeat(63)]],
  ['int2', INTS(16n)],
  ['int4', INTS(32n)],
  ['int8', INTS(64n)],
  ['int2vector', ['', '1', '1 2 -32768 32767']],
  ['oidvector', ['', '0', '1 4294967295']],
  ['text', STRINGS],
  ['varchar', STRINGS],
  ['bpchar', STRINGS],
  ['oid', ['0', '1', '2147483648', '4294967295']],
  ['tid', ['(0,0)', '(4294967295,65535)']],
  ['xid', ['0', '3', '4294967295']],
  ['xid8', ['0', '18446744073709551615']],
  ['cid', ['0', '4294967295']],
  ['json', [...DOCUMENTS, ' { "b" : 1,\n"a":\t2, "a": 3 } ', '"\\u0000"', '"\\ud83d"', '[1.000, 1e400]']],
  ['jsonb', [...DOCUMENTS, '{"b": 1, "a": {"__proto__": [null, true]}}', '[1.000]', `"${'j'.repeat(9_000)}"`]],
  ['jsonpath', ['$', '$."a b"[*] ? (@.x > 1.50 && @.y like_regex "^a\\"b" flag "i")', 'strict $.a[last - 1].size()']],
  ['xml', ['', 'text', '<a b="1">&lt;&amp;</a>', '<?xml version="1.0"?><r>\u{1F980}</r>', '<a/><b/>', '<!-- c -->']],
  ['point', ['(0,0)', '(-0,1e-300)', '(NaN,Infinity)', '(1.1,-2.2)']],
  ['lseg', ['[(0,0),(1,1)]', '[(-1.5,2),(3,-4e200)]']],
  ['path', ['[(0,0),(1,1)]', '((0,0),(1,1),(2,0))']],
  ['box', ['(1,1),(0,0)', '(3.5,4),(-1,-2)']],
  ['polygon', ['((0,0),(1,1),(2,0))', '((1e-9,0))']],
  ['line', ['{1,-1,0}', '{0.5,2,-3}']],
  ['circle', ['<(0,0),0>', '<(1.5,-2),3.25>']],
  ['float4', FLOATS],
  ['float8', [...FLOATS, '2.2250738585072014e-308', '5e-324', '-1.7976931348623157e308', '0.30000000000000004']],
  [
    'numeric',
    [
      '0',
      '-0.00',
      '1.0',
      '1.00',
      'NaN',
      '1e-1000',
      `${'9'.repeat(131_072)}`,
      `-0.${'3'.repeat(16_383)}`,
      `${'1'.repeat(131_072)}.${'7'.repeat(16_383)}`,
      ...since(14, 'Infinity', '-Infinity'),
    ],
  ],
  ['money', ['0', '-92233720368547758.08', '92233720368547758.07', '1234.50']],
  ['inet', ['192.168.0.1', '192.168.0.1/32', '192.168.0.1/8', '::', '::ffff:1.2.3.4/128', '2001:db8::1/64']],
  ['cidr', ['192.168.0.0/16', '10.0.0.1/32', '::/0', '2001:db8::/32']],
  ['macaddr', ['00:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff', '08:00:2b:01:02:03']],
  ['macaddr8', ['00:00:00:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff:ff:ff', '08:00:2b:01:02:03:04:05']],
  ['date', ['2000-01-01', 'infinity', '-infinity', '4713-11-24 BC', '0001-12-31 BC', '5874897-12-31', '1900-02-28']],
  ['time', ['00:00', '24:00:00', '23:59:59.999999', '23:59:60', '12:34:56.1']],
  ['timetz', ['00:00+00', '24:00:00-15:59:59', '00:00:00+15:59:59', '12:34:56.123456+05:45']],
  [
    'timestamp',
    ['2000-01-01', 'infinity', '-infinity', '4713-11-24 00:00:00 BC', '294276-12-31 23:59:59.999999', '1969-12-31 23:59:59.999999'],
  ],
  [
    'timestamptz',
    [
      '2000-01-01 00:00+00',
      'infinity',
      '-infinity',
      '4713-11-24 00:00:00+00 BC',
      '294276-12-31 23:59:59.999999+00',
      '2011-12-30 10:00:00+14',
    ],
  ],
  [
    'interval',
    [
      '0',
      '178000000 years',
      '-178000000 years',
      '1 mon -1 day 00:00:00.000001',
      '-1 mon 1 day -00:00:00.000001',
      // Older servers take more hours than they can print.
      ...since(15, '2562047788:00:54.775807'),
      '40 days 25:00:00',
      ...since(17, 'infinity', '-infinity'),
    ],
  ],
  ['bit', ['0', '1']],
  ['varbit', ['', '1', '010', '1'.repeat(1_001)]],
  ['uuid', ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '6ba7b810-9dad-11d1-80b4-00c04fd430c8']],
  ['pg_lsn', ['0/0', 'FFFFFFFF/FFFFFFFF', '16/B374D848']],
  ['txid_snapshot', ['1:1:', '10:20:10,14,15', '9223372036854775806:9223372036854775807:']],
  ['pg_snapshot', ['1:1:', '10:20:10,14,15', '9223372036854775806:9223372036854775807:']],
  ['tsvector', ['', "'a'", "'a':1A,2B,3C,4 'b''c':16383", "' ' '\\\\' 'z':5"]],
  ['tsquery', ['', "'a'", "'a' & ( 'b':*AB | !'c''d' )", "'a' <-> 'b' <3> 'c'"]],
  ['refcursor', STRINGS],
  ['regproc', ['-', 'pg_catalog.now', 'boolin']],
  ['regprocedure', ['-', 'pg_catalog.abs(integer)']],
  ['regoper', ['0', 'pg_catalog.||/']],
  ['regoperator', ['0', 'pg_catalog.+(integer,integer)', '-(none,integer)']],
  ['regclass', ['-', 'pg_catalog.pg_class', 'no_types.place']],
  ['regtype', ['-', 'integer', 'pg_catalog.int4[]', 'no_types.place']],
  ['regconfig', ['-', 'pg_catalog.english']],
  ['regdictionary', ['-', 'pg_catalog.simple']],
  ['regcollation', ['-', 'pg_catalog."C"']],
  ['regrole', ['-', 'pg_monitor']],
  ['regnamespace', ['-', 'pg_catalog', 'no_types']],
  ['regdatabase', ['-', 'template1']],
  ['aclitem', ['=r/pg_monitor', 'pg_monitor=arwdDxt/pg_monitor', 'pg_monitor=U*/pg_monitor']],
  ['oid8', ['0', '18446744073709551615']],
  ['int4range', ['empty', '[1,10)', '(,)', '[,5]', '[-2147483648,2147483647)']],
  ['int8range', ['empty', '[1,10)', '(,)', '[-9223372036854775808,)']],
  ['numrange', ['empty', '[1.0,1.00]', '(,)', '(-1.5,NaN]']],
  ['tsrange', ['empty', '[-infinity,infinity]', '(,)', '[2000-01-01 BC,2000-01-01 00:00:00.000001)']],
  ['tstzrange', ['empty', '[-infinity,infinity]', '(,)', '["2000-01-01 00:00+00","2000-01-01 00:00:00.000001+00")']],
  ['daterange', ['empty', '[-infinity,infinity)', '(,)', '[4713-11-24 BC,2000-01-01]']],
  ['int4multirange', ['{}', '{[1,2),[5,9)}', '{(,)}']],
  ['int8multirange', ['{}', '{[1,2),[5,9)}', '{(,)}']],
  ['nummultirange', ['{}', '{[1.0,1.00],(5,)}', '{(,)}']],
  ['tsmultirange', ['{}', '{[2000-01-01,2001-01-01),[infinity,)}']],
  ['tstzmultirange', ['{}', '{["2000-01-01 00:00+00","2001-01-01 00:00+00")}']],
  ['datemultirange', ['{}', '{[2000-01-01,2001-01-01),[2002-01-01,)}']],
]);
