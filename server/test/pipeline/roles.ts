// Roles with exactly what the documentation asks for, and pipelines that connect as them.
import type { PipelineSettings } from '../../src/app/config/settings.ts';
import { quoteIdent } from '../../src/pg/ident.ts';
import type { TestDatabase, TestRole } from '../pg/test-database.ts';
import type { Postgres } from '../pg/use-postgres.ts';
import type { Ends } from './compare.ts';

/** Two databases and the roles that a pipeline between them uses. */
export interface RoledEnds extends Ends {
  readonly reader: TestRole;
  readonly writer: TestRole;
}

/**
 * A role at the source that may connect and replicate, and no more; one at the destination that may create schemas. What else the
 * reader needs is granted by `grantTables`.
 */
export async function roledEnds(pg: Postgres): Promise<RoledEnds> {
  const [source, destination] = [await pg.source.createDatabase(), await pg.destination.createDatabase()];
  const reader = await pg.source.createRole({ attributes: 'LOGIN REPLICATION' });
  const writer = await pg.destination.createRole();
  await source.query(
    `REVOKE ALL ON DATABASE ${quoteIdent(source.name)} FROM PUBLIC; GRANT CONNECT ON DATABASE ${quoteIdent(source.name)} TO ${quoteIdent(reader.name)}`,
  );
  await destination.query(
    `GRANT CREATE ON DATABASE ${quoteIdent(destination.name)} TO ${quoteIdent(writer.name)}; GRANT USAGE, CREATE ON SCHEMA public TO ${quoteIdent(writer.name)}`,
  );
  return { source, destination, reader, writer };
}

/** USAGE and SELECT on everything in `schema`; with `owned`, the role also owns the tables, so that it can publish them. */
export async function grantTables(
  source: TestDatabase,
  role: TestRole,
  options: { readonly schema?: string; readonly owned: boolean },
): Promise<void> {
  const [schema, name] = [quoteIdent(options.schema ?? 'public'), quoteIdent(role.name)];
  await source.query(`GRANT USAGE ON SCHEMA ${schema} TO ${name}; GRANT SELECT ON ALL TABLES IN SCHEMA ${schema} TO ${name}`);
  if (!options.owned) return;
  await source.query(`GRANT CREATE ON DATABASE ${quoteIdent(source.name)} TO ${name}`);
  const tables = await source.query(
    "SELECT c.oid::pg_catalog.regclass::pg_catalog.text FROM pg_catalog.pg_class AS c WHERE c.relnamespace = $1::pg_catalog.regnamespace AND c.relkind IN ('r', 'p')",
    [schema],
  );
  for (const [table] of tables) await source.query(`ALTER TABLE ${table} OWNER TO ${name}`);
}

/** Settings of a pipeline that connects as these roles. */
export function asRoles({ source, destination, reader, writer }: RoledEnds): Pick<PipelineSettings, 'source' | 'destination'> {
  return {
    source: { name: 'source', type: 'generic', connection: source.settings(reader) },
    destination: { name: 'destination', connection: destination.settings(writer) },
  };
}
