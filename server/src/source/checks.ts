// Preflight of the source: asks and tries everything that a pipeline will need, and reports all of it at once.
import type { PgSession } from '../db/session.ts';
import type { ConnectionSettings } from '../model/connection.ts';
import type { Finding } from '../model/finding.ts';
import type { SourceTable } from '../model/table.ts';
import { hasFeature } from '../pg/version.ts';
import { checkDirectness, checkReplicationConnection } from './checks-connection.ts';
import { readSourceFacts, readUnreadableFuture } from './checks-facts.ts';
import { checkIdentities, checkPublications, checkReadable, type MissedObject } from './checks-objects.ts';
import { checkFutureTables, checkServer, checkVersion } from './checks-server.ts';
import { previewPublications, readPublications } from './publication.ts';
import { wantedTables } from './publication-plan.ts';
import type { ReplicationNames } from './slot-name.ts';

/** What a pipeline intends to do with the source. */
export interface SourceUse {
  readonly connection: ConnectionSettings;
  readonly names: ReplicationNames;
  /** The pipeline's objects. */
  readonly tables: readonly SourceTable[];
  /** Those of them whose changes are streamed; all when absent. */
  readonly streamed?: readonly SourceTable[] | undefined;
  /** Relations that the pipeline would include if they could be objects. */
  readonly missed: readonly MissedObject[];
  readonly includeNewTables: boolean;
}

/** All findings about the source, in the order in which a person would mend them. Throws only when the connection is lost. */
export async function checkSource(session: PgSession, use: SourceUse): Promise<readonly Finding[]> {
  const directness = await checkDirectness(session);
  const facts = await readSourceFacts(session, use.names.slot);
  const version = checkVersion(facts);
  // An older server lacks the columns that the other questions read.
  if (version.status === 'fail') return [directness, version];
  const { publications } = use.names;
  const streamed = use.streamed ?? use.tables;
  const plan = await previewPublications(session, publications, wantedTables(streamed));
  const existing = await readPublications(session, [publications.full, publications.insertOnly]);
  const schemas = [...new Set(use.tables.map((table) => table.schema))];
  return [
    directness,
    ...checkServer(facts),
    await checkReplicationConnection(use.connection),
    ...checkReadable(facts.role.name, use.tables, use.missed),
    checkPublications(facts, { plan, existing, includeNewTables: use.includeNewTables }),
    ...checkIdentities(streamed, { generatedBreaksFull: hasFeature(facts.version, 'publishGeneratedColumns') }),
    ...(use.includeNewTables ? checkFutureTables(facts, await readUnreadableFuture(session, schemas)) : []),
  ];
}
