// The names of a pipeline's slot and publications: the same wherever they are asked for.
import type { PgSession } from '../../db/session.ts';
import { must } from '../../lib/assert.ts';
import { type ReplicationNames, replicationNames } from '../../source/slot-name.ts';
import type { PipelineSettings } from '../config/settings.ts';

/** Names that no pipeline of another source database or destination database has. */
export async function pipelineNames(settings: PipelineSettings, destination: PgSession): Promise<ReplicationNames> {
  const [row] = await destination.query('SELECT pg_catalog.current_database()');
  const database = must(row?.[0], 'the name of the destination database');
  return replicationNames(settings.name, `${settings.source.connection.database} ${database}`);
}
