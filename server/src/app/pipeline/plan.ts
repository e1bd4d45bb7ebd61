// What a pipeline should replicate, and how: the source's catalogue against the file and the state, before anything is changed.
import type { PgSession } from '../../db/session.ts';
import type { TableToCreate } from '../../destination/ddl.ts';
import { planTables } from '../../destination/ddl-plan.ts';
import { readCollation } from '../../destination/introspect.ts';
import { assignNames, nameKey } from '../../destination/names.ts';
import type { Desired, ObjectRecord } from '../../destination/state-records.ts';
import { namingOf } from '../../destination/types-map.ts';
import { type TableProblem, textProblem } from '../../destination/types-table.ts';
import { must } from '../../lib/assert.ts';
import { MillraceError } from '../../model/error.ts';
import { isRefreshed } from '../../model/layout.ts';
import { objectLabel, type SourceTable } from '../../model/table.ts';
import type { QualifiedName } from '../../pg/ident.ts';
import type { ServerVersion } from '../../pg/version.ts';
import { type CatalogueSnapshot, readTables } from '../../source/catalog.ts';
import type { IneligibleRelation } from '../../source/eligibility.ts';
import { readPublications } from '../../source/publication.ts';
import { membershipOf, missingPublication } from '../../source/publication-plan.ts';
import { columnTypeOids, readTypes } from '../../source/types.ts';
import { existingPolicyOf, filterOf, layoutOf, type PipelineSettings } from '../config/settings.ts';
import { judgeConditions, withConditions } from './conditions.ts';
import { filterTable, withFilter } from './filtered-table.ts';
import { pipelineNames } from './names.ts';

/** One table of the source, with the decision about it. */
export interface PlannedObject {
  readonly source: SourceTable;
  /** The name at the destination, kept from earlier runs. */
  readonly name: QualifiedName;
  readonly desired: Desired;
  /** What the state says of an object of this name; null: it is new. */
  readonly record: ObjectRecord | null;
  /** `membershipOf()` when the plan was made, before we published anything. */
  readonly published: string | null;
  readonly outcome: ({ readonly kind: 'table' } & TableToCreate) | { readonly kind: 'refused'; readonly error: MillraceError };
}

export interface PipelinePlan {
  readonly sourceVersion: ServerVersion;
  readonly objects: readonly PlannedObject[];
  readonly ineligible: readonly IneligibleRelation[];
}

export interface PlanInput {
  readonly source: PgSession;
  readonly destination: PgSession;
  readonly settings: PipelineSettings;
  readonly records: readonly ObjectRecord[];
}

/** Reads both sides and plans every table. Throws `name_collision`; a table that can't have a twin is an outcome, not an error. */
export async function planPipeline({ source, destination, settings, records }: PlanInput): Promise<PipelinePlan> {
  const catalogue = await readTables(source, { schemas: settings.schemas });
  const known = new Map(records.map((record) => [nameKey(record.source), record]));
  const wanted = catalogue.tables.map((table) => ({
    schema: table.schema,
    name: table.name,
    target: explicitly(settings, table)?.target ?? null,
    assigned: known.get(nameKey(table))?.destination ?? null,
  }));
  const names = assignNames(settings.namespace, wanted, namingOf(settings.layout.types));
  const { publications } = await pipelineNames(settings, destination);
  const states = await readPublications(source, [publications.full, publications.insertOnly]);
  const verdicts = await judgeConditions({ source, settings, catalogue, states, known });
  const tables = withConditions(catalogue.tables, verdicts);
  const outcomes = await outcomesOf({ source, destination, settings, records }, { ...catalogue, tables }, names);
  const objects = tables.map((table, index): PlannedObject => {
    const record = known.get(nameKey(table)) ?? null;
    const desired = desiredOf(settings, table, { record, isFirstRun: records.length === 0 });
    const verdict = verdicts.get(nameKey(table));
    const missing = isRefreshed(layoutOf(settings, table)) ? null : missingPublication(publications, states, table);
    const outcome = verdict?.kind === 'refused' ? verdict : publishable(outcomes[index] ?? notPlanned(table), table, missing);
    return { source: table, name: names[index] ?? table, desired, record, published: membershipOf(states, table), outcome };
  });
  return { sourceVersion: catalogue.version, objects: refuseMisreadText(objects), ineligible: catalogue.ineligible };
}

/** A stream has one format: one table that needs text takes those along that text would spoil. */
function refuseMisreadText(objects: readonly PlannedObject[]): readonly PlannedObject[] {
  const isStreamed = ({ desired, outcome }: PlannedObject): boolean =>
    desired !== 'skipped' && outcome.kind === 'table' && !isRefreshed(outcome.table.layout);
  const textual = objects.find((object) => isStreamed(object) && object.outcome.kind === 'table' && !object.outcome.table.binarySafe);
  if (textual === undefined) return objects;
  const because = `${objectLabel(textual.source)} has a column that can not be binary`;
  return objects.map((object): PlannedObject => {
    const spoilt = isStreamed(object) && object.outcome.kind === 'table' ? (object.outcome.table.needsBinary ?? []) : [];
    if (spoilt.length === 0) return object;
    const problems = spoilt.map((column) => textProblem(column, because));
    return { ...object, outcome: { kind: 'refused', error: refusal(object.source, problems) } };
  });
}

/**
 * Whether an object is wanted. The file's `include: false` always counts; otherwise an operator's word, and for a new table the rule for
 * new tables (the pipeline's first run takes all by `default_object_state`).
 */
export function desiredOf(
  settings: Pick<PipelineSettings, 'objects' | 'includeNewTables' | 'defaultObjectState'>,
  table: QualifiedName,
  known: { readonly record: Pick<ObjectRecord, 'desired'> | null; readonly isFirstRun: boolean },
): Desired {
  const listed = explicitly(settings, table);
  if (listed?.include === false) return 'skipped';
  if (known.record !== null) return known.record.desired;
  if (listed?.include === true) return 'included';
  if (known.isFirstRun) return settings.defaultObjectState;
  return settings.includeNewTables ? 'included' : 'skipped';
}

function explicitly(settings: Pick<PipelineSettings, 'objects'>, table: QualifiedName) {
  return settings.objects.find((object) => object.schema === table.schema && object.name === table.name);
}

async function outcomesOf(
  { source, destination, settings }: PlanInput,
  { tables, version }: CatalogueSnapshot,
  names: readonly QualifiedName[],
): Promise<readonly PlannedObject['outcome'][]> {
  const filtered = tables.map((table) => filterTable(table, filterOf(settings, table), table.condition ?? null));
  const types = await readTypes(source, columnTypeOids(filtered.map(({ table }) => table)));
  const collationsAgree = (await readCollation(source)) === (await readCollation(destination));
  const plans = await planTables(destination, {
    tables: filtered.map(({ table }, index) => ({ source: table, name: names[index] ?? table, layout: layoutOf(settings, table) })),
    tableNames: names,
    types,
    rule: settings.namespace,
    pipeline: settings.name,
    collationsAgree,
    sourceVersionNum: version.number,
  });
  return tables.map((table, index): PlannedObject['outcome'] => {
    const view = must(filtered[index], 'a view of each table');
    const plan = must(plans[index], 'a plan for each table');
    if (view.kind === 'refused') return { kind: 'refused', error: refusal(table, view.problems) };
    if (plan.kind === 'refused') return { kind: 'refused', error: refusal(table, plan.problems) };
    return { ...plan, table: withFilter(plan.table, view), existing: existingPolicyOf(settings, table) };
  });
}

/** `statement`: what somebody else must run first, or null. */
function publishable(outcome: PlannedObject['outcome'], table: SourceTable, statement: string | null): PlannedObject['outcome'] {
  return outcome.kind === 'refused' || statement === null ? outcome : { kind: 'refused', error: notPublishable(table, statement) };
}

/** One table that somebody else owns must not stop the pipeline of all the others. */
function notPublishable(table: SourceTable, statement: string): MillraceError {
  const cause = `our role may not add ${objectLabel(table)} to the publication`;
  return new MillraceError('publication_not_allowed', { cause, fix: `${statement};`, object: objectLabel(table), side: 'source' });
}

function refusal(table: SourceTable, problems: readonly TableProblem[]): MillraceError {
  const [first] = problems;
  const cause = problems.map((problem) => problem.cause).join('; ');
  return new MillraceError(first?.errorName ?? 'type_refused', { cause, fix: first?.fix, object: objectLabel(table), side: 'destination' });
}

function notPlanned(table: SourceTable): PlannedObject['outcome'] {
  return { kind: 'refused', error: refusal(table, []) };
}
