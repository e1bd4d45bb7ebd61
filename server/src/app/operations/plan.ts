// The operation `plan`: what the next run would do to the destination's tables, found by the decisions of the run and carried out by nobody.
import type { PlanReport } from '@millrace/contract/report';
import { connect } from '../../db/connect.ts';
import type { PgSession } from '../../db/session.ts';
import { stepStatements } from '../../destination/ddl-alter.sql.ts';
import { previewCreation, previewReshape, previewTypes } from '../../destination/ddl-preview.ts';
import { loadObjects, loadPipeline } from '../../destination/state.ts';
import { hasState } from '../../destination/state-install.ts';
import type { ObjectRecord } from '../../destination/state-records.ts';
import { keepsThePast } from '../../destination/land.ts';
import { decideSchemaChange, isStreamed } from '../../model/schema-change/decide.ts';
import { objectLabel } from '../../model/table.ts';
import type { Lsn } from '../../pg/lsn.ts';
import type { PipelineSettings } from '../config/settings.ts';
import { generatedChanged, resumptionOf, sameShape, wasUnpublished } from '../pipeline/live-objects.ts';
import { type PlannedObject, planPipeline } from '../pipeline/plan.ts';
import { knownOf, readCatalogueNow, whyNotInPlace } from '../pipeline/schema-changes.ts';

/** One report for each object that the pipeline wants. Reads both sides and changes nothing. */
export async function previewPipeline(settings: PipelineSettings): Promise<readonly PlanReport[]> {
  const source = await connect(settings.source.connection, { applicationName: 'millrace plan', side: 'source' });
  try {
    const destination = await connect(settings.destination.connection, { applicationName: 'millrace plan', side: 'destination' });
    try {
      return await preview({ source, destination }, settings);
    } finally {
      await destination.close();
    }
  } finally {
    await source.close();
  }
}

interface Sessions {
  readonly source: PgSession;
  readonly destination: PgSession;
}

async function preview(sessions: Sessions, settings: PipelineSettings): Promise<readonly PlanReport[]> {
  const { source, destination } = sessions;
  const installed = await hasState(destination, 'refuse');
  const records = installed ? await loadObjects(destination, settings.name) : [];
  const checkpoint = installed ? ((await loadPipeline(destination, settings.name))?.checkpointLsn ?? null) : null;
  const plan = await planPipeline({ source, destination, settings, records });
  const reports: PlanReport[] = [];
  const told = new Set<string>();
  for (const object of plan.objects) {
    if (object.desired === 'skipped') continue;
    const report = await previewObject(sessions, object, checkpoint);
    // A type or a schema that several tables need is made once.
    const statements = report.statements.filter((statement) => !told.has(statement));
    for (const statement of statements) told.add(statement);
    reports.push({ object: objectLabel(object.source), target: objectLabel(object.name), ...report, statements });
  }
  return reports;
}

type ObjectReport = Pick<PlanReport, 'action' | 'statements' | 'why'>;

async function previewObject(sessions: Sessions, object: PlannedObject, checkpoint: Lsn | null): Promise<ObjectReport> {
  const { outcome, record } = object;
  if (outcome.kind === 'refused') return { action: 'refused', statements: [], why: outcome.error.message };
  const resumption = resumptionOf(object, checkpoint, new Set());
  if (resumption.kind === 'rest' || resumption.kind === 'hold') return NOTHING;
  if (record === null || record.destinationOid === null)
    return { action: 'create', statements: await previewCreation(sessions.destination, outcome), why: null };
  if (resumption.kind === 'stream') return previewStream(sessions, { ...object, outcome, record });
  return resumption.resume ? NOTHING : previewReload(sessions, { ...object, outcome, record }, whyReload(object, record));
}

type KnownObject = PlannedObject & {
  readonly record: ObjectRecord;
  readonly outcome: Extract<PlannedObject['outcome'], { kind: 'table' }>;
};

/** The stream may bring several changes one after another; this is what they come to. */
async function previewStream(sessions: Sessions, object: KnownObject): Promise<ObjectReport> {
  const { record, outcome, source } = object;
  const types = await previewTypes(sessions.destination, outcome.definitions);
  if (record.columns === null || sameShape(record.columns, outcome.table.columns))
    return types.length === 0 ? NOTHING : { action: 'alter', statements: types, why: null };
  const why = whyNotInPlace(outcome.table);
  if (why !== null) return previewReload(sessions, object, why);
  const known = knownOf(record);
  const now = await readCatalogueNow(sessions.source, { known, table: outcome.table, source });
  const stream = outcome.table.columns
    .filter(isStreamed)
    .map(({ sourceName: name, sourceTypeOid: typeOid, sourceTypmod }) => ({ name, typeOid, typmod: sourceTypmod ?? -1 }));
  const change = decideSchemaChange(known, stream, now);
  if (change.kind === 'reload') return previewReload(sessions, object, change.why);
  return { action: 'alter', statements: [...types, ...change.steps.flatMap((step) => stepStatements(object.name, step))], why: null };
}

async function previewReload({ destination }: Sessions, { record, outcome, source }: KnownObject, why: string): Promise<ObjectReport> {
  // Such a table only grows; what would have to change it stops the object.
  if (keepsThePast(outcome.table.layout)) return { action: 'reload', statements: [], why };
  const known = record.sourceOid === source.oid ? record.columns : null;
  const statements = [
    ...(await previewTypes(destination, outcome.definitions)),
    ...(await previewReshape(destination, outcome.table, known)),
  ];
  return { action: 'reload', statements, why };
}

function whyReload(object: PlannedObject, record: ObjectRecord): string {
  if (record.restartRequested) return 'it was asked for';
  if (record.sourceOid !== object.source.oid) return 'the table at the source is another one than before';
  if (record.appliedLsn === null) return 'its last load is not complete';
  if (wasUnpublished(object)) return 'it was taken out of its publication';
  if (generatedChanged(record, object)) return 'a generated column changed';
  return 'its key, its partitions or its rows changed outside of the log';
}

const NOTHING: ObjectReport = { action: 'none', statements: [], why: null };
