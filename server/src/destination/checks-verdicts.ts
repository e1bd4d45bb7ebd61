// The verdicts of the preflight: pure functions from what was read to findings, each with the statement that mends it.
import type { MillraceError } from '../model/error.ts';
import { type Finding, passed, problem } from '../model/finding.ts';
import { objectLabel } from '../model/table.ts';
import { type QualifiedName, quoteIdent } from '../pg/ident.ts';
import type { SchemaFacts, ServerFacts } from './introspect.ts';
import { nameKey, STATE_SCHEMA } from './names.ts';

/** What our state schema holds. `none`: not installed yet. */
export type StateFacts =
  | { readonly kind: 'none' }
  | { readonly kind: 'unreadable'; readonly error: MillraceError }
  /** OIDs of the tables that the pipeline created, with their source objects. */
  | { readonly kind: 'readable'; readonly ownTables: ReadonlyMap<number, QualifiedName> };

/** Version, writability, encoding and role. */
export function checkServer(server: ServerFacts): readonly Finding[] {
  return [
    versionFinding(server.versionNum),
    writableFinding(server),
    encodingFinding(server.encoding),
    roleFinding(server),
    temporaryFinding(server),
  ];
}

/** Each schema must exist with USAGE and CREATE, or the role must be able to make it. */
export function checkSchemas(
  server: ServerFacts,
  schemas: { readonly wanted: readonly string[]; readonly existing: readonly SchemaFacts[] },
): readonly Finding[] {
  const role = quoteIdent(server.role);
  const present = new Map(schemas.existing.map((schema) => [schema.name, schema]));
  const problems = schemas.wanted.flatMap((name): readonly Finding[] => {
    const schema = present.get(name);
    if (schema === undefined) return server.mayCreateSchemas ? [] : [missingSchema(server, name)];
    const missing = [...(schema.mayUse ? [] : ['USAGE']), ...(schema.mayCreate ? [] : ['CREATE'])];
    if (missing.length === 0) return [];
    const cause = `role ${JSON.stringify(server.role)} lacks ${missing.join(' and ')} on the schema ${JSON.stringify(name)}`;
    return [
      problem('fail', 'destination_schema_denied', { cause, fix: `GRANT ${missing.join(', ')} ON SCHEMA ${quoteIdent(name)} TO ${role};` }),
    ];
  });
  return problems.length > 0 ? problems : [passed('destination_schemas', 'the role may create tables in every schema that it needs')];
}

/** Our own schema must be usable, or the role must be able to make it. */
export function checkState(server: ServerFacts, schema: SchemaFacts | undefined, state: StateFacts): readonly Finding[] {
  if (state.kind === 'unreadable') {
    const { errorName, facts, fix } = state.error;
    return [problem('fail', errorName, { cause: facts.cause, fix, sqlstate: facts.sqlstate })];
  }
  if (schema === undefined && !server.mayCreateSchemas) return [missingSchema(server, STATE_SCHEMA)];
  if (schema !== undefined && state.kind === 'none' && !(schema.mayUse && schema.mayCreate)) {
    const cause = `the schema ${STATE_SCHEMA} exists, but role ${JSON.stringify(server.role)} may not use it`;
    return [
      problem('fail', 'destination_schema_denied', {
        cause,
        fix: `GRANT USAGE, CREATE ON SCHEMA ${STATE_SCHEMA} TO ${quoteIdent(server.role)};`,
      }),
    ];
  }
  return [passed('destination_state', `the state can be kept in the schema ${STATE_SCHEMA}`)];
}

/** A table that is there already must be one that this pipeline created for this very object. */
export function checkTables(
  objects: readonly { readonly source: QualifiedName; readonly destination: QualifiedName }[],
  existing: ReadonlyMap<string, number>,
  state: StateFacts,
): readonly Finding[] {
  const ours = state.kind === 'readable' ? state.ownTables : new Map<number, QualifiedName>();
  const problems = objects.flatMap(({ source, destination }): readonly Finding[] => {
    const oid = existing.get(nameKey(destination));
    const creator = oid === undefined ? undefined : ours.get(oid);
    if (oid === undefined || (creator !== undefined && nameKey(creator) === nameKey(source))) return [];
    const cause = `the destination has ${objectLabel(destination)} already, and this pipeline did not create it for ${objectLabel(source)}`;
    return [problem('fail', 'destination_table_exists', { cause, object: objectLabel(source) })];
  });
  return problems.length > 0 ? problems : [passed('destination_tables', 'no table stands in the way')];
}

const OLDEST_TESTED = 130_000;
const OLDEST_POSSIBLE = 120_000;

function versionFinding(versionNum: number): Finding {
  const major = Math.floor(versionNum / 10_000);
  if (versionNum >= OLDEST_TESTED) return passed('destination_version', `the destination is PostgreSQL ${major}`);
  const cause =
    versionNum >= OLDEST_POSSIBLE
      ? `the destination is PostgreSQL ${major}, which PostgreSQL's own developers no longer maintain`
      : `the destination is PostgreSQL ${major}, which lacks generated columns`;
  return problem(versionNum >= OLDEST_POSSIBLE ? 'warn' : 'fail', 'destination_version_unsupported', { cause });
}

function writableFinding(server: ServerFacts): Finding {
  if (server.inRecovery) {
    return problem('fail', 'destination_read_only', { cause: 'the destination is in recovery: it is a standby, or it is still starting' });
  }
  if (!server.readOnlyByDefault) return passed('destination_writable', 'the destination accepts writes');
  const database = quoteIdent(server.database);
  return problem('warn', 'destination_read_only', {
    cause: `default_transaction_read_only is on for the database or the role; Millrace turns it off for its own sessions`,
    fix: `ALTER DATABASE ${database} RESET default_transaction_read_only; ALTER ROLE ${quoteIdent(server.role)} RESET default_transaction_read_only;`,
  });
}

function encodingFinding(encoding: string): Finding {
  if (encoding === 'UTF8') return passed('destination_encoding', 'the destination stores UTF8');
  const cause =
    encoding === 'SQL_ASCII'
      ? 'the destination database has no encoding (SQL_ASCII): it stores bytes and does not know their characters'
      : `the destination database stores ${encoding}; rows with other characters will be refused`;
  return problem('warn', 'destination_encoding', { cause });
}

function roleFinding(server: ServerFacts): Finding {
  if (!server.isSuperuser) return passed('destination_role', 'the role is not a superuser');
  return problem('warn', 'role_too_powerful', {
    cause: `role ${JSON.stringify(server.role)} is a superuser of the destination`,
    fix: `CREATE ROLE "millrace" LOGIN PASSWORD '…'; GRANT CREATE, TEMPORARY ON DATABASE ${quoteIdent(server.database)} TO "millrace";`,
  });
}

function temporaryFinding(server: ServerFacts): Finding {
  if (server.mayCreateTemporary) return passed('destination_temporary', 'the role may create temporary tables');
  return problem('fail', 'destination_schema_denied', {
    cause: `role ${JSON.stringify(server.role)} may not create temporary tables in the database ${JSON.stringify(server.database)}`,
    fix: `GRANT TEMPORARY ON DATABASE ${quoteIdent(server.database)} TO ${quoteIdent(server.role)};`,
  });
}

function missingSchema(server: ServerFacts, schema: string): Finding {
  const [database, role] = [quoteIdent(server.database), quoteIdent(server.role)];
  return problem('fail', 'destination_schema_denied', {
    cause: `the schema ${JSON.stringify(schema)} does not exist, and role ${JSON.stringify(server.role)} may not create schemas`,
    fix: `GRANT CREATE ON DATABASE ${database} TO ${role};\n-- or: CREATE SCHEMA ${quoteIdent(schema)} AUTHORIZATION ${role};`,
  });
}
