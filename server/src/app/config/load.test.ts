import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { must } from '../../lib/assert.ts';
import { MillraceError } from '../../model/error.ts';
import { saltOf } from '../../model/object-filter.ts';
import { loadFile } from './load.ts';
import { layoutOf, PLAIN_OBJECT } from './settings.ts';

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-config-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const SALT = 'a salt of the tests only';

const ENVIRONMENT = { SHOP_PASSWORD: 's3cret: "#{x}', SHOP_PORT: '6543', EMPTY: '' };

function load(text: string | Buffer, environment: Readonly<Record<string, string>> = ENVIRONMENT) {
  const path = join(directory, 'millrace.yaml');
  writeFileSync(path, text);
  return loadFile(path, environment);
}

/** The problems of a bad file as `line:column: message | hint`. */
async function problemsOf(text: string | Buffer): Promise<string[]> {
  const error: unknown = await load(text).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof MillraceError)) throw new Error(`expected a MillraceError, got ${String(error)}`);
  expect(error.errorName).toBe('config_invalid');
  expect(error.message).toContain(`${join(directory, 'millrace.yaml')}:`);
  return (error.facts.problems ?? []).map((p) => `${p.line}:${p.column}: ${p.message} | ${p.hint ?? 'no hint'}`);
}

const GOOD = `version: 1
sources:
  shop:
    type: generic
    host: 127.0.0.1
    port: 5433
    database: shop
    user: millrace
    password: \${SHOP_PASSWORD}
destinations:
  warehouse:
    type: postgres
    host: 127.0.0.1
    database: warehouse
    user: writer
pipelines:
  shop_to_warehouse:
    source: shop
    destination: warehouse
`;

/** The good file with one text replaced; throws when the text is not there, so that no test passes by a typo. */
function but(search: string, replacement: string): string {
  if (!GOOD.includes(search)) throw new Error(`the good file does not hold ${search}`);
  return GOOD.replace(search, () => replacement);
}

function withPipelineKeys(...lines: readonly string[]): string {
  return `${GOOD}${lines.map((line) => `    ${line}\n`).join('')}`;
}

describe('a good file', () => {
  test('gives settings with the documented defaults', async () => {
    const file = await load(GOOD);
    expect(file.warnings).toEqual([]);
    expect(file.sources).toMatchObject([
      {
        name: 'shop',
        type: 'generic',
        connection: { host: '127.0.0.1', port: 5433, database: 'shop', user: 'millrace', connectTimeoutMs: 60_000 },
      },
    ]);
    expect(file.destinations).toMatchObject([{ name: 'warehouse', connection: { port: 5432, password: null } }]);
    expect(file.pipelines).toMatchObject([
      {
        name: 'shop_to_warehouse',
        schedule: 'continuous',
        loadHistoricalData: true,
        includeNewTables: true,
        defaultObjectState: 'included',
        schemas: null,
        objects: [],
        namespace: { kind: 'source' },
      },
    ]);
  });

  test('takes secrets from the environment as they are, and never shows them', async () => {
    const file = await load(GOOD);
    expect(file.sources[0]?.connection.password?.reveal()).toBe('s3cret: "#{x}');
    expect(JSON.stringify(file)).not.toContain('s3cret');
  });

  test('reads numbers and flags from the environment, and a literal ${ from $${', async () => {
    const text = but('port: 5433', 'port: ${SHOP_PORT}').replace('user: millrace', () => 'user: "a$${b}${EMPTY}"');
    expect((await load(text)).sources[0]?.connection).toMatchObject({ port: 6543, user: 'a${b}' });
  });

  test('reads password_file relative to the file and without its last newline', async () => {
    writeFileSync(join(directory, 'password'), ' pass word \r\n');
    const file = await load(but('password: ${SHOP_PASSWORD}', 'password_file: password'));
    expect(file.sources[0]?.connection.password?.reveal()).toBe(' pass word ');
  });

  test('reads objects, schemas, targets and the namespace rule', async () => {
    const text = withPipelineKeys(
      'schemas: [public, "My.Schema"]',
      'namespace: "eu_{schema}"',
      'default_object_state: skipped',
      'schedule: manual',
      'objects:',
      '  public.orders: {target: orders_eu, existing_table: replace}',
      '  \'"My.Schema"."a ""b"""\': {include: false}',
      '  public.customers:',
    );
    expect((await load(text)).pipelines[0]).toMatchObject({
      schemas: ['public', 'My.Schema'],
      namespace: { kind: 'pattern', pattern: 'eu_{schema}' },
      defaultObjectState: 'skipped',
      schedule: 'manual',
      objects: [
        { ...PLAIN_OBJECT, schema: 'public', name: 'orders', target: 'orders_eu', existingTable: 'replace' },
        { ...PLAIN_OBJECT, schema: 'My.Schema', name: 'a "b"', include: false },
        { ...PLAIN_OBJECT, schema: 'public', name: 'customers' },
      ],
    });
  });

  test('reads which columns an object brings, their masks and new names, and keeps the salt a secret', async () => {
    const file = await load(
      withPipelineKeys(
        'mask_salt: ${SHOP_SALT}',
        'objects:',
        '  public.orders:',
        '    columns: [id, email, note, city]',
        '    mask: {email: sha256, note: null, city: {fixed: ""}}',
        '    rename: {city: town}',
      ),
      { ...ENVIRONMENT, SHOP_SALT: SALT },
    );
    const filter = file.pipelines[0]?.objects[0]?.filter;
    expect(filter).toMatchObject({ columns: ['id', 'email', 'note', 'city'], renames: new Map([['city', 'town']]) });
    expect([...(filter?.masks ?? [])].map(([column, mask]) => [column, mask.kind])).toEqual([
      ['email', 'sha256'],
      ['note', 'null'],
      ['city', 'fixed'],
    ]);
    expect(saltOf([filter ?? null])?.reveal()).toBe(SALT);
    expect(JSON.stringify(file.pipelines[0]) + inspect(file, { depth: 20 })).not.toContain(SALT);
  });

  test('uses the schema of the destination unless the pipeline says otherwise', async () => {
    const text = but('    user: writer\n', '    user: writer\n    schema: analytics\n');
    expect((await load(text)).pipelines[0]?.namespace).toEqual({ kind: 'destination', schema: 'analytics' });
    expect((await load(`${text}    namespace: source\n`)).pipelines[0]?.namespace).toEqual({ kind: 'source' });
  });

  test('may say every default of the later versions aloud', async () => {
    const file = await load(
      withPipelineKeys(
        'mode: logical',
        'preset: native',
        'deletes: hard',
        'metadata_columns: none',
        'raw_tables: false',
        'types: native',
        'history: false',
        'merge_tables: false',
        'detect_deletes: false',
        'frequency_profile: free',
        'sync_mode: incremental_append_deduped',
      ),
    );
    expect(file.pipelines).toHaveLength(1);
  });

  test.each([
    ['preset: hevo', { deletes: 'soft', metadata: 'hevo', types: 'hevo', rawSchema: null }],
    ['preset: airbyte', { deletes: 'hard', metadata: 'airbyte', types: 'airbyte', rawSchema: 'airbyte_internal' }],
    ['preset: prequel', { deletes: 'hard', metadata: 'none', types: 'native', rawSchema: null }],
    ['raw_tables: true', { types: 'native', rawSchema: 'airbyte_internal' }],
  ])('a layout: %s', async (line, layout) => {
    const text = but('    user: writer\n', '    user: writer\n    schema: analytics\n');
    expect((await load(`${text}    ${line}\n`)).pipelines[0]?.layout).toMatchObject(layout);
  });

  test('lets an option beside a preset win over it', async () => {
    const file = await load(withPipelineKeys('preset: airbyte', 'raw_schema: raw', 'types: native', 'deletes: soft'));
    expect(file.pipelines[0]?.layout).toMatchObject({ rawSchema: 'raw', types: 'native', deletes: 'soft', metadata: 'airbyte' });
    expect((await load(withPipelineKeys('preset: airbyte', 'raw_tables: false'))).pipelines[0]?.layout.rawSchema).toBeNull();
  });

  test('refuses a raw schema without raw tables, and one that is reserved', async () => {
    expect(await problemsOf(withPipelineKeys('raw_schema: raw'))).toEqual([
      expect.stringMatching(/^20:\d+: raw_schema without raw tables/),
    ]);
    expect(await problemsOf(withPipelineKeys('raw_tables: true', 'raw_schema: _millrace'))).toEqual([expect.stringMatching(/is reserved/)]);
  });

  test.each([
    ['connectTimeout=5', 5_000],
    ['connectTimeout=0', 2_147_483_647],
    ['', 60_000],
  ])('with url_params %j waits %d ms for a connection', async (params, expected) => {
    const file = await load(but('user: writer', `user: writer\n    url_params: "${params}"`));
    expect(file.destinations[0]?.connection.connectTimeoutMs).toBe(expected);
  });

  test('warns about reserved url_params without repeating them', async () => {
    const file = await load(but('user: writer', 'user: writer\n    url_params: password=hunter2&sslmode=disable'));
    expect(file.warnings.map((w) => `${w.line}: ${w.message}`)).toEqual([
      '16: url_params: password is ignored',
      '16: url_params: sslmode is ignored',
    ]);
  });

  test.each(['apply', 'hold'] as const)('says what happens when columns change: %s', async (policy) => {
    const { pipelines, warnings } = await load(withPipelineKeys(`schema_changes: ${policy}`));
    expect(pipelines[0]?.schemaChanges).toBe(policy);
    expect(warnings).toEqual([]);
  });

  test('may have a byte order mark, Windows line ends and an anchor', async () => {
    const text = but('host: 127.0.0.1\n    port', 'host: &local 127.0.0.1\n    port').replace(
      'host: 127.0.0.1\n    database',
      'host: *local\n    database',
    );
    const file = await load(`\ufeff${text.replaceAll('\n', '\r\n')}`);
    expect(file.destinations[0]?.connection.host).toBe('127.0.0.1');
  });
});

describe('encryption', () => {
  test.each(['disable', 'allow', 'prefer'])('mode %s to another machine is refused unless it is allowed', async (mode) => {
    const remote = but('host: 127.0.0.1\n    database', `host: db.example.com\n    ssl: {mode: ${mode}}\n    database`);
    expect(await problemsOf(remote)).toEqual([
      expect.stringMatching(/^14:11: ssl mode \w+ may send data and password unencrypted .* allow_unencrypted: true/),
    ]);
    const file = await load(remote.replace('user: writer', 'user: writer\n    allow_unencrypted: true'));
    expect(file.destinations[0]?.connection.ssl.mode).toBe(mode);
  });

  test('without an ssl block is required to another machine and left out to this one', async () => {
    const file = await load(but('host: 127.0.0.1\n    database', 'host: db.example.com\n    database'));
    expect(file.destinations[0]?.connection.ssl.mode).toBe('require');
    expect(file.sources[0]?.connection.ssl.mode).toBe('disable');
  });

  test.each([
    ['ca_file: nowhere.pem', /ca_file ".*nowhere\.pem" can't be read: it does not exist/],
    ['ca_file: millrace.yaml', /ca_file: the file holds no PEM certificate .*openssl/],
    ['client_key_file: millrace.yaml', /client_key_file needs client_certificate_file/],
    ['load_all_ca_certificates: false', /needs ca_file/],
  ])('a bad ssl block (%s) is refused', async (line, message) => {
    const problems = await problemsOf(but('user: millrace', `user: millrace\n    ssl:\n      mode: verify-full\n      ${line}`));
    expect(problems[0]).toMatch(/^11:7: /);
    expect(problems[0]).toMatch(message);
  });

  test('a certificate beside mode disable is refused', async () => {
    expect(await problemsOf(but('user: millrace', 'user: millrace\n    ssl: {mode: disable, ca_file: ca.pem}'))).toEqual([
      expect.stringMatching(/^9:26: ca_file does not go with mode: disable/),
    ]);
  });
});

describe('a bad file is refused with line, column and hint', () => {
  test.each<[string, string | Buffer, RegExp]>([
    ['an unknown key at the top', `${GOOD}pipeline: {}\n`, /^20:1: "pipeline" is not a key of the file \| did you mean pipelines\?/],
    [
      'an unknown key of a source',
      but('    database: shop', '    databse: shop'),
      /^7:5: "databse" is not a key of source "shop" \| did you mean database\?/,
    ],
    [
      'an unknown key far from any known',
      but('    user: writer', '    user: writer\n    colour: red'),
      /^16:5: "colour" .*\| known keys: type, host/,
    ],
    [
      'an unknown key of an object',
      withPipelineKeys('objects:', '  public.a: {inclde: true}'),
      /^21:18: "inclde" is not a key of an object of pipeline .*did you mean include\?/,
    ],
    [
      'an unknown key of an ssl block',
      but('user: writer', 'user: writer\n    ssl: {mode: require, ca_fil: x}'),
      /"ca_fil" is not a key of ssl of destination "warehouse" \| did you mean ca_file\?/,
    ],
    ['a wrong type', but('port: 5433', 'port: many'), /^6:11: port must be a number/],
    ['a number out of range', but('port: 5433', 'port: 70000'), /^6:11: port must be at most 65535/],
    ['a flag that is text', withPipelineKeys('include_new_tables: sometimes'), /^20:25: include_new_tables must be true or false/],
    ['a text that is a number', but('${SHOP_PASSWORD}', '12345'), /^9:15: password must be text \| put the value in quotes/],
    ['a list where a mapping should be', but('sources:\n  shop:', 'sources:\n  - shop:'), /^\d+:\d+: /],
    [
      'an unknown word',
      withPipelineKeys('mode: logcal'),
      /^20:11: mode must be one of logical, table, xmin, custom_sql \| did you mean logical\?/,
    ],
    ['a wrong version', but('version: 1', 'version: 2'), /^1:10: version must be 1/],
    ['a missing version', but('version: 1\n', ''), /^1:1: version is missing \| add a line such as `version: 1`/],
    ['a missing host', but('    host: 127.0.0.1\n    port: 5433\n', ''), /^3:3: host is missing/],
    ['a missing database', but('    database: shop\n', ''), /^3:3: database is missing/],
    [
      'an empty section',
      but('pipelines:\n  shop_to_warehouse:\n    source: shop\n    destination: warehouse\n', 'pipelines:\n'),
      /^16:1: pipelines must be a mapping/,
    ],
    [
      'a duplicate pipeline',
      `${GOOD}  shop_to_warehouse:\n    source: shop\n    destination: warehouse\n`,
      /^20:3: the key "shop_to_warehouse" stands here twice \| it stands at line 17 already/,
    ],
    ['a name of 256 characters', but('  shop_to_warehouse:', `  ${'p'.repeat(256)}:`), /^17:3: a name is longer than 255 characters/],
    ['a name that JavaScript treats specially', but('  shop_to_warehouse:', '  __proto__:'), /^17:3: "__proto__" can't be used as a name/],
    [
      'a missing variable',
      but('SHOP_PASSWORD', 'SHOP_PASSWROD'),
      /^9:15: the environment variable SHOP_PASSWROD is not set \| set it: export/,
    ],
    ['a missing variable as host', but('host: 127.0.0.1', 'host: ${NOWHERE}'), /^5:11: the environment variable NOWHERE is not set/],
    ['an unclosed variable', but('${SHOP_PASSWORD}', '"${SHOP"'), /^9:15: a \$\{ is not closed/],
    [
      'a URL as host',
      but('host: 127.0.0.1\n    port', 'host: http://127.0.0.1\n    port'),
      /^5:11: host must be a name or an address, not a URL \(http:\/\/…\) \| leave http:\/\/ away/,
    ],
    [
      'a port in the host',
      but('host: 127.0.0.1\n    port', 'host: db:5433\n    port'),
      /^5:11: host holds a port \| write host: db and port: 5433/,
    ],
    ['an incomplete address', but('host: 127.0.0.1\n    port', 'host: 127.0.1\n    port'), /^5:11: host is not a whole IPv4 address/],
    [
      'a missing password_file',
      but('password: ${SHOP_PASSWORD}', 'password_file: nowhere'),
      /^9:5: password_file ".*nowhere" can't be read: it does not exist/,
    ],
    [
      'password and password_file',
      but('user: millrace', 'user: millrace\n    password_file: x'),
      /^9:5: password and password_file exclude each other/,
    ],
    [
      'database and databases',
      but('user: millrace', 'user: millrace\n    databases: [a]'),
      /^9:5: database and databases exclude each other/,
    ],
    ['an unknown source', but('source: shop', 'source: shpo'), /^18:5: no source is named "shpo" \| did you mean shop\?/],
    [
      'an unknown destination',
      but('destination: warehouse', 'destination: x'),
      /^19:5: no destination is named "x" \| destinations of this file: warehouse/,
    ],
    [
      'the same database on both sides',
      but('database: warehouse', 'port: 5433\n    database: shop'),
      /source and destination are the same database/,
    ],
    [
      'an object without a schema',
      withPipelineKeys('objects:', '  orders: {}'),
      /^21:7: "orders" names no schema \| write schema\.table, such as public\.orders/,
    ],
    [
      'an object outside the schemas',
      withPipelineKeys('schemas: [shop]', 'objects:', '  public.a: {}'),
      /^22:7: public\.a is not in one of the pipeline's schemas/,
    ],
    [
      'an object twice',
      withPipelineKeys('objects:', '  public.a: {}', '  \'"public"."a"\': {}'),
      /^22:7: the object public\.a stands here twice/,
    ],
    [
      'two objects with one target',
      withPipelineKeys('objects:', '  public.a: {target: x}', '  public.b: {target: x}'),
      /^22:18: public\.b and public\.a have the same target/,
    ],
    [
      'a target that Postgres would cut',
      withPipelineKeys('objects:', `  public.a: {target: ${'é'.repeat(32)}}`),
      /the name is longer than 63 bytes/,
    ],
    ['a schema of Postgres', withPipelineKeys('schemas: [pg_catalog]'), /^20:15: "pg_catalog" can't be replicated/],
    ['a namespace without its schema', withPipelineKeys('namespace: destination'), /^20:5: namespace: destination needs a schema/],
    ['a namespace without a pattern', withPipelineKeys('namespace: eu'), /^20:5: a namespace pattern must hold \{schema\}/],
    [
      'a key of another mode',
      withPipelineKeys('objects:', '  public.a: {query_mode: full_load}'),
      /^21:18: query_mode does not go with mode logical/,
    ],
    ['a key of custom SQL', withPipelineKeys('query: SELECT 1'), /^20:5: query does not go with mode logical/],
    [
      'an unknown url parameter',
      but('user: writer', 'user: writer\n    url_params: conectTimeout=5'),
      /^16:5: url_params: "conectTimeout" is not a known parameter \| did you mean connectTimeout\?/,
    ],
    [
      'server_type of another type',
      but('user: millrace', 'user: millrace\n    server_type: flexible'),
      /server_type goes with type: azure only/,
    ],
    ['no text at all', '', /^1:1: the file is empty \| start with `version: 1`/],
    ['only a comment', '# nothing\n', /^1:1: the file is empty/],
    ['a scalar', 'hello\n', /^1:1: the file must be a mapping/],
    ['several documents', `${GOOD}---\n${GOOD}`, /more than one YAML document/],
    ['a syntax error', but('    port: 5433', '    port: [5433'), /^\d+:\d+: .* \| .+/],
    ['a tab as indentation', but('    port: 5433', '\tport: 5433'), /^6:\d+: .* \| /],
    ['a password that begins with *', but('${SHOP_PASSWORD}', '*hunter2'), /^9:15: an alias \(\*name\) has no anchor .*single quotes/],
    ['a password with a colon', but('${SHOP_PASSWORD}', 'hunter2: x'), /^9:\d+: .* \| /],
    ['a merge key', but('    type: generic', '    <<: {type: generic}'), /^4:5: merge keys \(<<\) are not supported/],
    ['Latin-1', Buffer.from(but('user: millrace', 'user: mülrace'), 'latin1'), /^8:12: the file is not valid UTF-8 \| .*iconv/],
    ['UTF-16', Buffer.from(`\ufeff${GOOD}`, 'utf16le'), /^1:1: the file is UTF-16 \| save it as UTF-8/],
  ])('%s', async (_name, text, expected) => {
    const problems = await problemsOf(text);
    expect(problems[0]).toMatch(expected);
    expect(problems.join('\n')).not.toMatch(/hunter2|s3cret/);
  });

  test.each([
    ['mode: table'],
    ['mode: xmin'],
    ['schedule: {every: 30m}'],
    ['schedule: {cron: "0 3 * * *", timezone: UTC}'],
    ['frequency_profile: hevo_current'],
    ['merge_tables: true'],
    ['detect_deletes: true'],
    ['schema_changes: ignore'],
  ])("what this version can't do: %s", async (line) => {
    expect(await problemsOf(withPipelineKeys(line))).toEqual([
      expect.stringMatching(/^20:\d+: .* is not available in this version yet \| .+/),
    ]);
  });

  test.each([
    ['mask: {email: sha256}', /^22:9: mask: sha256 needs a salt \| .*mask_salt/],
    ['columns: [id, id]', /^22:23: "id" stands in columns twice \| remove one/],
    ['columns: []', /^22:\d+: /],
    ['columns: [id]\n        mask: {email: null}', /^23:16: "email" is not among the object's columns \| add it/],
    ['columns: [id]\n        rename: {email: mail}', /^23:18: "email" is not among the object's columns \| add it/],
    ['rename: {a: x, b: x}', /^22:24: "a" and "b" are both renamed to "x" \| give/],
    ['rename: {a: ctid}', /^22:18: "ctid" is the name of a system column \| choose/],
    [`rename: {a: ${'x'.repeat(64)}}`, /^22:21: the name is longer than 63 bytes/],
    ['where: "total > 0; DROP TABLE x"', /^22:9: where is not one closed expression \| write one condition/],
    ['where: "true) WITH (publish = insert"', /^22:9: where is not one closed/],
    ['where: "true -- all"', /^22:9: where is not one closed/],
    ['where: "x = $$a$$"', /^22:9: where is not one closed/],
    ['where: " "', /^22:9: where is not one closed/],
    ['mask: {email: md5}', /^22:\d+: .*must be null, sha256 or \{fixed/],
  ])('an object that can not be filtered so: %s', async (line, expected) => {
    const [problem] = await problemsOf(withPipelineKeys('objects:', '  public.a:', `    ${line}`));
    expect(problem).toMatch(expected);
  });

  test('a salt that is short, or that nothing uses, is told, and never repeated', async () => {
    const [short] = await problemsOf(withPipelineKeys('mask_salt: hunter2', 'objects: {public.a: {mask: {email: sha256}}}'));
    expect(short).toMatch(/^20:5: mask_salt has fewer than 16 characters \| .*openssl rand/);
    expect(short).not.toContain('hunter2');
    const { warnings } = await load(withPipelineKeys(`mask_salt: ${SALT}`));
    expect(warnings).toEqual([expect.objectContaining({ line: 20, message: 'mask_salt is not used' })]);
  });

  test.each([
    ['sync_mode: incremental_append', 'incremental_append'],
    ['objects: {public.a: {sync_mode: incremental_append}}', 'incremental_append_deduped'],
  ])('what the tables keep: %s', async (line, mode) => {
    const file = await load(withPipelineKeys(line));
    expect(file.pipelines[0]?.layout.syncMode).toBe(mode);
    expect(layoutOf(must(file.pipelines[0], 'a pipeline'), { schema: 'public', name: 'a' }).syncMode).toBe('incremental_append');
  });

  test.each([
    ['sync_mode: incremental_append\n    deletes: soft', /^21:5: deletes: soft with sync_mode: incremental_append \| remove the line/],
    ['sync_mode: full_refresh_append\n    deletes: soft', /^21:5: deletes: soft with sync_mode: full_refresh_append \| remove the line/],
    ['history: true\n    sync_mode: full_refresh_overwrite', /^21:5: sync_mode: full_refresh_overwrite with history: true/],
    ['history: true\n    deletes: ignore', /^21:5: deletes: ignore with history: true \| remove the line/],
    ['history: true\n    sync_mode: incremental_append', /^21:5: sync_mode: incremental_append with history: true \| remove one/],
    [
      'history: true\n    objects: {public.a: {sync_mode: incremental_append}}',
      /^21:\d+: sync_mode: incremental_append with history: true/,
    ],
  ])('what contradicts itself: %s', async (line, problem) => {
    expect(await problemsOf(withPipelineKeys(line))).toEqual([expect.stringMatching(problem)]);
  });

  test("what this version can't do: SSH tunnels and several databases", async () => {
    const text = but(
      'user: writer',
      'user: writer\n    ssh: {host: bastion, user: t, method: key, private_key_file: k, host_key: "SHA256:x"}',
    ).replace('database: shop', 'databases: [a, b]');
    expect(await problemsOf(text)).toEqual([
      expect.stringMatching(/^7:5: .*several databases/),
      expect.stringMatching(/^16:5: an SSH tunnel is not available/),
    ]);
  });

  test('every mistake is listed at once, in the order of the file', async () => {
    const text = but('port: 5433', 'port: x').replace('type: postgres', 'type: mysql').replace('source: shop', 'sorce: shop');
    expect((await problemsOf(text)).map((p) => p.split(':')[0])).toEqual(['6', '12', '17', '18']);
  });

  test('aliases that multiply are bounded in time and memory', async () => {
    const levels = Array.from({ length: 12 }, (_, i) => `l${i + 1}: &l${i + 1} [${Array(10).fill(`*l${i}`).join(', ')}]`);
    const problems = await problemsOf(`l0: &l0 [x]\n${levels.join('\n')}\n${GOOD}`);
    expect(problems.some((p) => p.includes('grows too large through aliases'))).toBe(true);
  });

  test('an alias that holds itself is refused', async () => {
    expect((await problemsOf(`a: &a [*a]\n${GOOD}`))[0]).toMatch(/^1:8: an alias points at itself/);
  });

  test('deep nesting is refused without exhausting the stack', async () => {
    expect((await problemsOf(`${'['.repeat(5_000)}${']'.repeat(5_000)}\n`)).length).toBeGreaterThan(0);
    expect((await problemsOf(`a: ${'{a: '.repeat(100_000)}\n`)).length).toBeGreaterThan(0);
  });

  test('whatever is typed into it, there are settings or problems with a place, and nothing else', async () => {
    const piece = fc.oneof(
      fc.constantFrom(
        ':',
        ' ',
        '\n',
        '\n  ',
        '- ',
        '[',
        '}',
        '"',
        "'",
        '&a ',
        '*a',
        '!!binary ',
        '|',
        '>',
        '#',
        '${',
        '~',
        '---\n',
        '%',
        '\t',
        '<<: ',
        '? ',
      ),
      fc.string({ unit: 'binary' }),
    );
    await fc.assert(
      fc.asyncProperty(fc.nat(GOOD.length), fc.nat(20), piece, async (at, cut, inserted) => {
        const text = GOOD.slice(0, at) + inserted + GOOD.slice(at + cut);
        const outcome: unknown = await load(text).catch((error: unknown) => error);
        if (!(outcome instanceof MillraceError)) expect(outcome).toHaveProperty('pipelines');
        else expect(outcome.facts.problems?.every((p) => p.line >= 1 && p.column >= 1 && p.line <= text.split('\n').length + 1)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

test('a file that does not exist has its own error', async () => {
  await expect(loadFile(join(directory, 'none.yaml'), {})).rejects.toMatchObject({ errorName: 'config_unreadable', exit: 2 });
});
