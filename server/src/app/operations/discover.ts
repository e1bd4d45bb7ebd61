// The operation `discover`: the source's relations, and for each whether and how it can be an object.
import type { DiscoveredObject } from '@millrace/contract/report';
import { connect } from '../../db/connect.ts';
import { type DiscoveredRelation, discover } from '../../source/discover.ts';
import type { SourceSettings } from '../config/settings.ts';

/** All relations of users' schemas, the ineligible ones too. */
export async function discoverSource(source: SourceSettings): Promise<readonly DiscoveredObject[]> {
  const session = await connect(source.connection, { applicationName: 'millrace discover', side: 'source' });
  try {
    return (await discover(session, { schemas: null })).map(describe);
  } finally {
    await session.close();
  }
}

function describe(relation: DiscoveredRelation): DiscoveredObject {
  return {
    schema: relation.schema,
    name: relation.name,
    kind: relation.kind,
    size_bytes: relation.sizeBytes,
    estimated_rows: relation.estimatedRows,
    primary_key: relation.primaryKey,
    replica_identity: relation.replicaIdentity,
    eligible: relation.reason === null,
    reason: relation.cause ?? relation.reason,
    fix: relation.fix,
    notes: relation.notes,
  };
}
