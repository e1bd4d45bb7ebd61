// The operation `drop`: removes what a pipeline made for itself on both sides, and leaves the destination's tables.
import { formatObjectName } from '@millrace/contract/object-name';
import type { DropReport } from '@millrace/contract/report';
import { connect } from '../../db/connect.ts';
import { loadRawTables } from '../../destination/ddl-raw.ts';
import { discardSideTable } from '../../destination/load-place.ts';
import { deletePipeline, loadObjects, loadPipeline } from '../../destination/state.ts';
import { evictPredecessors } from '../../destination/state-evict.ts';
import { hasState, removeStateIfEmpty } from '../../destination/state-install.ts';
import { MillraceError } from '../../model/error.ts';
import { dropPublications } from '../../source/publication.ts';
import { dropSlot } from '../../source/slot.ts';
import type { ReplicationNames } from '../../source/slot-name.ts';
import type { PipelineSettings } from '../config/settings.ts';
import { pipelineNames } from '../pipeline/names.ts';

/**
 * Source first: a slot that nobody knows of any more would hold WAL for ever. When it fails half-way, running it again does the rest.
 * A process that runs the pipeline is ended by it: its slot and its epoch are gone.
 */
export async function dropPipeline(settings: PipelineSettings): Promise<DropReport> {
  const destination = await connect(settings.destination.connection, { applicationName: 'millrace drop', side: 'destination' });
  try {
    const names = await pipelineNames(settings, destination);
    const removed = await dropAtSource(settings, names);
    if (!(await hasState(destination, 'upgrade'))) return { pipeline: settings.name, removed, kept_tables: [] };
    const known = await loadPipeline(destination, settings.name);
    const objects = known === null ? [] : await loadObjects(destination, settings.name);
    const kept = objects.flatMap((object) => (object.destinationOid !== null && object.destination !== null ? [object.destination] : []));
    const raw = (await loadRawTables(destination)).filter(({ pipeline }) => pipeline === settings.name);
    kept.push(...raw.map(({ table }) => table));
    if (await deletePipeline(destination, settings.name)) removed.push(`state of pipeline ${settings.name}`);
    // Whoever still runs the pipeline finds its state gone, and stops; what it was loading must not keep the tables that it loaded into.
    await evictPredecessors(destination, settings.name);
    for (const { destination: table } of objects) if (table !== null) await discardSideTable(destination, table);
    if (await removeStateIfEmpty(destination)) removed.push('schema _millrace');
    return { pipeline: settings.name, removed, kept_tables: kept.map(({ schema, name }) => formatObjectName({ schema, name })) };
  } finally {
    await destination.close();
  }
}

async function dropAtSource(settings: PipelineSettings, names: ReplicationNames): Promise<string[]> {
  const removed: string[] = [];
  const source = await connect(settings.source.connection, { applicationName: 'millrace drop', side: 'source' });
  try {
    if (await dropSlot(source, names.slot)) removed.push(`replication slot ${names.slot}`);
    const { dropped } = await dropPublications(source, names.publications);
    removed.push(...dropped.map((name) => `publication ${name}`));
    return removed;
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    const fix = `At the source: SELECT pg_drop_replication_slot('${names.slot}'); DROP PUBLICATION IF EXISTS ${names.publications.full}, ${names.publications.insertOnly};`;
    throw new MillraceError(error.errorName, { ...error.facts, fix }, error);
  } finally {
    await source.close();
  }
}
