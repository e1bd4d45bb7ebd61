// Makes, upgrades and removes the schema that holds our state; safe when several processes start at once.
import type { PgSession } from '../db/session.ts';
import { must } from '../lib/assert.ts';
import { MillraceError } from '../model/error.ts';
import { quoteIdent } from '../pg/ident.ts';
import { readServerFacts } from './introspect.ts';
import { STATE_SCHEMA } from './names.ts';
import * as sql from './state.sql.ts';
import { CREATE_SCHEMA, DROP_STATE, MIGRATIONS, STATE_VERSION } from './state-schema.sql.ts';

/**
 * Makes sure that the state schema exists in the version that this program writes. Throws `state_unreadable` when it is newer or
 * is not ours, `destination_schema_denied` with the GRANT to paste when the role may not do it.
 */
export async function installState(session: PgSession): Promise<void> {
  const seen = await readStateVersion(session);
  if (seen.kind === 'installed' && seen.version === STATE_VERSION) return;
  try {
    await session.transaction('BEGIN', async () => {
      await session.query(sql.LOCK_STATE);
      // Looked at again under the lock: another process may have been faster.
      const present = await readStateVersion(session);
      if (present.kind === 'absent') for (const statement of CREATE_SCHEMA) await session.query(statement, []);
      const from = present.kind === 'installed' ? present.version : 0;
      for (const [index, statements] of MIGRATIONS.entries()) {
        if (index < from) continue;
        for (const statement of statements) await session.query(statement, []);
        await session.query(sql.WRITE_VERSION, [index + 1]);
      }
    });
  } catch (error) {
    throw await deniedOr(error, session);
  }
}

/** What stands at the destination. `empty_schema`: a schema of our name that somebody made beforehand, for a role that may not. */
export type StateVersion =
  | { readonly kind: 'absent' }
  | { readonly kind: 'empty_schema' }
  | { readonly kind: 'installed'; readonly version: number };

/** Reads the version. Throws `state_unreadable` for a newer one, `destination_schema_denied` where the role may not look. */
export async function readStateVersion(session: PgSession): Promise<StateVersion> {
  const [schema, table] = must((await session.query(sql.STATE_EXISTS, []))[0], 'the answer of the catalogue');
  if (schema !== 't') return { kind: 'absent' };
  if (table !== 't') return { kind: 'empty_schema' };
  let version: number;
  try {
    version = Number((await session.query(sql.READ_VERSION, []))[0]?.[0] ?? 0);
  } catch (error) {
    throw await deniedOr(error, session);
  }
  if (version > STATE_VERSION) {
    throw new MillraceError('state_unreadable', {
      cause: `the schema ${STATE_SCHEMA} has version ${version}; this program knows versions up to ${STATE_VERSION}`,
      side: 'destination',
    });
  }
  return { kind: 'installed', version };
}

/**
 * Whether there is a state to read. Of an earlier version it is upgraded, by those who may write, or refused with `state_outdated`.
 * Throws what `readStateVersion` and `installState` throw.
 */
export async function hasState(session: PgSession, older: 'upgrade' | 'refuse'): Promise<boolean> {
  const found = await readStateVersion(session);
  if (found.kind !== 'installed') return false;
  if (found.version === STATE_VERSION) return true;
  if (older === 'upgrade') await installState(session);
  else {
    const cause = `the schema ${STATE_SCHEMA} has version ${found.version}; this program reads version ${STATE_VERSION}`;
    throw new MillraceError('state_outdated', { cause, side: 'destination' });
  }
  return true;
}

/** Removes the state schema when no pipeline is left in it. Returns whether it did. */
export async function removeStateIfEmpty(session: PgSession): Promise<boolean> {
  return session.transaction('BEGIN', async () => {
    await session.query(sql.LOCK_STATE);
    if ((await readStateVersion(session)).kind !== 'installed') return false;
    await session.query(sql.LOCK_PIPELINES, []);
    if ((await session.query(sql.SELECT_PIPELINE_NAMES, [])).length > 0) return false;
    for (const statement of DROP_STATE) await session.query(statement, []);
    return true;
  });
}

const INSUFFICIENT_PRIVILEGE = '42501';

/** A refused privilege as our own error with the statement that grants it; any other error as it is. */
async function deniedOr(error: unknown, session: PgSession): Promise<unknown> {
  if (!(error instanceof MillraceError) || error.facts.sqlstate !== INSUFFICIENT_PRIVILEGE) return error;
  const { database, role } = await readServerFacts(session);
  const schema = quoteIdent(STATE_SCHEMA);
  return new MillraceError(
    'destination_schema_denied',
    {
      cause: `role ${JSON.stringify(role)} can't use the schema ${STATE_SCHEMA} in the database ${JSON.stringify(database)}: ${error.facts.cause}`,
      fix:
        `GRANT CREATE ON DATABASE ${quoteIdent(database)} TO ${quoteIdent(role)};\n` +
        `-- or, where the schema exists already: ALTER SCHEMA ${schema} OWNER TO ${quoteIdent(role)}; (and of the tables in it)`,
      sqlstate: INSUFFICIENT_PRIVILEGE,
      side: 'destination',
    },
    error,
  );
}
