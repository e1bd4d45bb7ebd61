// The roles and databases of the demo: nobody in it may do more than a real installation would allow.
import { quoteIdent, quoteLiteral } from '../../pg/ident.ts';
import type { Secret } from '../../lib/secret.ts';

/** A role with its password, and the database that it works in. */
export interface DemoRole {
  readonly name: string;
  readonly password: Secret;
}

/** The shop's own role: the application. It owns its database, and so everything in it. */
export function createShopRoleSql(role: DemoRole): string {
  return `CREATE ROLE ${quoteIdent(role.name)} LOGIN PASSWORD ${quoteLiteral(role.password.reveal())}`;
}

/**
 * The source's role: may replicate, and counts as an owner of the shop's tables, because only owners may put tables into a publication
 * (manual, "29.12. Security").
 */
export function createReaderRoleSql(role: DemoRole, shop: DemoRole): string {
  return `CREATE ROLE ${quoteIdent(role.name)} LOGIN REPLICATION PASSWORD ${quoteLiteral(role.password.reveal())} IN ROLE ${quoteIdent(shop.name)}`;
}

/** The destination's role: may create schemas in one database, and owns what it creates. */
export function createWriterRoleSql(role: DemoRole): string {
  return `CREATE ROLE ${quoteIdent(role.name)} LOGIN PASSWORD ${quoteLiteral(role.password.reveal())}`;
}

export function createOwnedDatabaseSql(database: string, owner: DemoRole): string {
  return `CREATE DATABASE ${quoteIdent(database)} OWNER ${quoteIdent(owner.name)}`;
}

export function createDatabaseSql(database: string): string {
  return `CREATE DATABASE ${quoteIdent(database)}`;
}

export function grantCreateSql(database: string, role: DemoRole): string {
  return `GRANT CREATE ON DATABASE ${quoteIdent(database)} TO ${quoteIdent(role.name)}`;
}
