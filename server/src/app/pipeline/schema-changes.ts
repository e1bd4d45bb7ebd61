// Has destination tables follow their source while the stream runs: looks both sides up, has it decided, and carries it out or asks first.
import type { PgSession } from '../../db/session.ts';
import type { ApplyTarget } from '../../destination/apply-target.ts';
import { stepStatements } from '../../destination/ddl-alter.sql.ts';
import { extendTypes } from '../../destination/ddl-types.ts';
import { isAdopted } from '../../destination/existing.ts';
import { keepsThePast } from '../../destination/land.ts';
import { rowInput } from '../../destination/row-input.ts';
import { loadObjects } from '../../destination/state.ts';
import type { Fence, ObjectRecord } from '../../destination/state-records.ts';
import { ObjectHalt } from '../../engine/assembler.ts';
import type { LiveObject } from '../../engine/live-object.ts';
import { must } from '../../lib/assert.ts';
import type { Log } from '../../lib/log.ts';
import type { DestinationColumn, DestinationTable } from '../../model/destination-table.ts';
import { MillraceError } from '../../model/error.ts';
import { type CatalogueNow, decideSchemaChange, isStreamed, type KnownTable, type SchemaChange } from '../../model/schema-change/decide.ts';
import { describeColumns } from '../../model/schema-change/describe.ts';
import type { SchemaStep } from '../../model/schema-change/steps.ts';
import { objectLabel, type SourceLeaf, type SourceTable } from '../../model/table.ts';
import type { RelationMessage } from '../../pg/pgoutput/messages.ts';
import { readMissingValues } from '../../source/missing-values.ts';
import type { PipelineSettings } from '../config/settings.ts';
import type { DestinationLane } from './destination-lane.ts';
import { shapeOf } from './live-objects.ts';
import { type PlannedObject, planPipeline } from './plan.ts';

export interface SchemaChangeContext {
  readonly settings: PipelineSettings;
  /** Opens sessions for this alone: the others may be waiting for what the open transaction of the lane holds. */
  readonly connect: () => Promise<Pair>;
  readonly fence: Fence;
  readonly lane: DestinationLane;
  readonly log: Log;
  readonly approvals: Approvals;
}

interface Pair {
  readonly source: PgSession;
  readonly destination: PgSession;
}

/**
 * Objects whose held change an operator let go on, with the columns that this was about; null until they are met again. Outlives the
 * session, which may have to begin anew before the change is committed.
 */
export type Approvals = Map<string, string | null>;

type TableOutcome = Extract<PlannedObject['outcome'], { kind: 'table' }>;

/** A table as the state has it, with what its rows came from. */
export interface Known extends KnownTable {
  readonly leaves: readonly SourceLeaf[] | null;
  /** Whether the rows of a historical load are there. */
  readonly isLoaded: boolean;
}

interface Facts {
  readonly known: Known;
  readonly outcome: TableOutcome;
  readonly now: CatalogueNow;
  readonly destinationOid: number | null;
}

/** See the file's first line. */
export class SchemaChanges {
  readonly #context: SchemaChangeContext;
  /** What tables look like that were altered in this session: the state has it only after the commit. */
  readonly #altered = new WeakMap<LiveObject, Known>();
  #targets = 0;
  #sessions: Promise<Pair> | null = null;

  constructor(context: SchemaChangeContext) {
    this.#context = context;
  }

  /** Implements the engine's `Reshape`. */
  async reshape(live: LiveObject, relation: RelationMessage): Promise<Pick<LiveObject, 'expected' | 'identity'>> {
    this.#sessions ??= this.#context.connect();
    const sessions = await this.#sessions;
    const facts = await this.#look(live, sessions);
    const change = await this.#decide(live, relation, { facts, destination: sessions.destination });
    this.#requireLeave(live, relation, { facts, change });
    if (change.kind === 'reload') throw this.#reload(live, relation, { known: facts.known, why: change.why });
    await extendTypes(sessions.destination, this.#context.fence, facts.outcome.definitions);
    return this.#alter(live, facts, change);
  }

  /**
   * Some tables can't follow in the middle of the stream. Where rows are chosen, masked, converted or recorded on their way, a reload makes
   * everything anew. Throws `ObjectHalt` where nothing but its operator can help: a table that keeps the past can't be loaded again.
   */
  async #decide(
    live: LiveObject,
    relation: RelationMessage,
    { facts, destination }: { readonly facts: Facts; readonly destination: PgSession },
  ): Promise<SchemaChange> {
    const { table } = facts.outcome;
    if (keepsThePast(table.layout)) {
      const what = describeColumns(facts.known.columns, relation.columns);
      const cause = `the columns of ${live.key} changed (${what}), and its table keeps a past that can't be read again`;
      throw new ObjectHalt(live, new MillraceError('object_schema_changed', { cause, object: live.key, side: 'source' }), 'user');
    }
    const why = whyNotInPlace(table);
    if (why !== null) return { kind: 'reload', why };
    if (await isAdopted(destination, facts.destinationOid ?? 0)) return { kind: 'reload', why: 'Millrace did not make its table' };
    return decideSchemaChange(facts.known, relation.columns, facts.now);
  }

  async #alter(live: LiveObject, { known, outcome }: Facts, change: Extract<SchemaChange, { kind: 'alter' }>) {
    const { lane, log } = this.#context;
    const former = lane.targetOf(live);
    const leaves = known.leaves?.map((leaf) => ({ ...leaf, highestAttnum: change.highestAttnum })) ?? null;
    let columns = change.columns;
    const kept = await lane.alter(live, {
      table: former.table,
      steps: change.steps,
      settle: (names) => {
        columns = [...change.columns, ...retired(known.columns, names)];
        const target = this.#target(live, former, { before: known.columns, after: columns });
        return { target, record: { source: live.source, columns, identity: change.identity, leaves } };
      },
    });
    const { identity, highestAttnum } = change;
    this.#altered.set(live, { columns, identity, highestAttnum, leaves, isLoaded: known.isLoaded });
    log.info('a table followed its source', { object: live.key, statements: statementsOf(former.table, change.steps).join('; ') });
    if (kept.length > 0)
      log.warn('columns that are gone at the source stay, because something was built on them', {
        object: live.key,
        columns: kept.join(', '),
      });
    return shapeOf({ ...outcome.table, columns, identity });
  }

  /** What the state and the catalogues say of the object now. Throws `ObjectHalt` when its table is gone or can't have a twin any more. */
  async #look(live: LiveObject, { source, destination }: Pair): Promise<Facts> {
    const { settings } = this.#context;
    const records = await loadObjects(destination, settings.name);
    const narrowed = { ...settings, schemas: [live.source.schema] };
    const plan = await planPipeline({ source, destination, settings: narrowed, records });
    const planned = plan.objects.find((object) => objectLabel(object.source) === live.key && object.source.oid === live.sourceOid);
    if (planned === undefined) {
      const cause = `the columns of ${live.key} changed, and by now no table of this name is at the source`;
      throw new ObjectHalt(live, new MillraceError('object_schema_changed', { cause, object: live.key, side: 'source' }), 'reload');
    }
    if (planned.outcome.kind === 'refused') throw new ObjectHalt(live, planned.outcome.error, 'user');
    const known = this.#altered.get(live) ?? knownOf(must(planned.record, `the state of ${live.key}`));
    const now = await readCatalogueNow(source, { known, table: planned.outcome.table, source: planned.source });
    return { known, outcome: planned.outcome, now, destinationOid: planned.record?.destinationOid ?? null };
  }

  #reload(live: LiveObject, relation: RelationMessage, { known, why }: { readonly known: Known; readonly why: string }): ObjectHalt {
    const what = describeColumns(known.columns, relation.columns);
    const cause = `the columns of ${live.key} changed (${what}): ${why}`;
    const error = new MillraceError('object_schema_changed', { cause, object: live.key, side: 'source' });
    // Without its history, nobody wants all of its rows now.
    return new ObjectHalt(live, error, known.isLoaded ? 'reload' : 'user');
  }

  /** Under `schema_changes: hold` a change waits until an operator resumes the object. */
  #requireLeave(
    live: LiveObject,
    relation: RelationMessage,
    { facts, change }: { readonly facts: Facts; readonly change: SchemaChange },
  ): void {
    const { settings, approvals, lane } = this.#context;
    if (settings.schemaChanges !== 'hold') return;
    const columns = JSON.stringify(relation.columns.map(({ name, typeOid, typmod }) => [name, typeOid, typmod]));
    const approved = approvals.get(live.key);
    if (approved === null) approvals.set(live.key, columns);
    if (approved === null || approved === columns) return;
    const what =
      change.kind === 'reload'
        ? `the object is to be loaded again (${change.why})`
        : `${statementsOf(lane.targetOf(live).table, change.steps).join('; ') || 'nothing'} is to run at the destination`;
    const cause = `the columns of ${live.key} changed (${describeColumns(facts.known.columns, relation.columns)}): ${what}`;
    throw new ObjectHalt(live, new MillraceError('schema_change_held', { cause, object: live.key, side: 'source' }), 'user');
  }

  /** The former target with other columns; the key's own columns are the same, whatever they are called now. */
  #target(
    live: LiveObject,
    former: ApplyTarget,
    columns: { readonly before: readonly DestinationColumn[]; readonly after: readonly DestinationColumn[] },
  ): ApplyTarget {
    const [before, after] = [columns.before.filter(isStreamed), columns.after.filter(isStreamed)];
    const key = former.key.map((part) => {
      const { attnum } = must(before[part.column], 'a column of the key');
      return { ...part, column: after.findIndex((column) => column.attnum === attnum) };
    });
    const textColumns = new Set(former.key.length > 0 ? [] : after.flatMap((column, index) => (isText(column) ? [index] : [])));
    return { ...former, id: `${live.sourceOid}_s${this.#targets++}`, columns: after.map((column) => column.name), key, textColumns };
  }
}

/** What the source's catalogue says of a table now, for `decideSchemaChange`. */
export async function readCatalogueNow(
  session: PgSession,
  { known, table, source }: { readonly known: Known; readonly table: DestinationTable; readonly source: SourceTable },
): Promise<CatalogueNow> {
  const { files, values: missing } = await readMissingValues(session, source);
  const attnums = [...table.columns, ...table.excluded].map(({ attnum }) => attnum);
  return { columns: table.columns, attnums, filesUnchanged: sameFiles(known, files), missing };
}

/** What the state says of an object's table. */
/** Why a change of the table's columns can't be applied in the middle of the stream, and takes a reload; null where it can. */
export function whyNotInPlace(table: DestinationTable): string | null {
  const goesThroughMore = table.filter !== undefined || (table.raw ?? null) !== null || rowInput(table) !== null;
  return goesThroughMore ? 'its rows are filtered or converted on their way' : null;
}

export function knownOf({ columns, identity, leaves, copyGeneration }: ObjectRecord): Known {
  const known = must(columns, 'the columns of an object that streams');
  const highestAttnum = leaves?.[0]?.highestAttnum ?? Math.max(0, ...known.map((column) => column.attnum));
  return { columns: known, identity: must(identity, 'its identity'), highestAttnum, leaves, isLoaded: copyGeneration > 0 };
}

/** Without a historical load every row that is there was streamed. */
function sameFiles({ leaves, isLoaded }: Known, files: ReadonlyMap<number, number>): boolean {
  if (!isLoaded) return true;
  if (leaves === null) return false;
  const former = new Map(leaves.map((leaf) => [leaf.oid, leaf.relfilenode]));
  return [...files].every(([oid, file]) => !former.has(oid) || former.get(oid) === file);
}

function retired(columns: readonly DestinationColumn[], names: readonly string[]): readonly DestinationColumn[] {
  return columns
    .filter((column) => names.includes(column.name))
    .map((column): DestinationColumn => ({ ...column, notNull: false, transfer: 'retired' }));
}

function statementsOf(table: ApplyTarget['table'], steps: readonly SchemaStep[]): readonly string[] {
  return steps.flatMap((step) => stepStatements(table, step));
}

function isText({ type }: DestinationColumn): boolean {
  return type.schema === 'pg_catalog' && !type.array && (type.name === 'text' || type.name === 'varchar');
}
