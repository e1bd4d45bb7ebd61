// The operation `verify`: compares objects at both sides, whether or not the pipeline runs.
import type { VerifyReport } from '@millrace/contract/report';
import type { ObjectSelection } from '../../cli/operations.ts';
import { connect } from '../../db/connect.ts';
import type { PgSession } from '../../db/session.ts';
import { keptBy } from '../../destination/kept-columns.ts';
import { loadObjects, loadPipeline } from '../../destination/state.ts';
import { hasState } from '../../destination/state-install.ts';
import type { ObjectRecord } from '../../destination/state-records.ts';
import { must } from '../../lib/assert.ts';
import { metadataColumns, unmarkedRows } from '../../destination/metadata.ts';
import { filterPart } from '../../model/destination-table.ts';
import { MillraceError } from '../../model/error.ts';
import { type Layout, parseLayout } from '../../model/layout.ts';
import { filterSignature, saltOf } from '../../model/object-filter.ts';
import { objectLabel, type SourceTable } from '../../model/table.ts';
import { planVerify, type PresentRows, type VerifyPlan, type VerifyProgress } from '../../model/verify.ts';
import type { QualifiedName } from '../../pg/ident.ts';
import { type Lsn, LSN_ZERO, maxLsn } from '../../pg/lsn.ts';
import { readTables } from '../../source/catalog.ts';
import { maskSettings } from '../../source/mask.sql.ts';
import { readPublications } from '../../source/publication.ts';
import { streamedPublications } from '../../source/publication-plan.ts';
import type { ReplicationNames } from '../../source/slot-name.ts';
import { readPendingChanges } from '../../source/verify-pending.ts';
import { readSlotPosition, readSourceLsn, waitForOpenTransactions } from '../../source/verify-position.ts';
import { filterOf, type PipelineSettings } from '../config/settings.ts';
import { publishedCondition } from '../pipeline/conditions.ts';
import { pipelineNames } from '../pipeline/names.ts';
import { unverifiedReport, verifyReport } from '../verify/report.ts';
import { VERIFY_SETTINGS, verifyObject } from '../verify/verify-object.ts';

/** Open transactions of the application that may be at the destination already are waited for this long. */
const SETTLE_TIMEOUT_MS = 10_000;
const MAX_PENDING_WAL_BYTES = 1024 ** 3;

/** Compares the chosen objects, or all whose rows are at the destination. Throws `object_unknown` on a name that the pipeline has not. */
export async function verifyPipeline(
  settings: PipelineSettings,
  selection: ObjectSelection,
  signal: AbortSignal,
): Promise<readonly VerifyReport[]> {
  const sessions = await openSessions(settings);
  const abort = (): void => sessions.all.forEach((session) => session.destroy());
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await new PipelineVerification(settings, sessions, signal).run(selection);
  } finally {
    signal.removeEventListener('abort', abort);
    await Promise.all(sessions.all.map((session) => session.close()));
  }
}

interface Sessions {
  /** Read the tables. */
  readonly source: PgSession;
  readonly destination: PgSession;
  /** Ask where the pipeline stands meanwhile. */
  readonly sourceAside: PgSession;
  readonly destinationAside: PgSession;
  readonly all: readonly PgSession[];
}

async function openSessions(settings: PipelineSettings): Promise<Sessions> {
  const open = (side: 'source' | 'destination', extra: Readonly<Record<string, string>> = {}): Promise<PgSession> =>
    connect(settings[side].connection, { applicationName: `millrace ${settings.name} verify`, side, settings: extra });
  const opened = await Promise.allSettled([
    open('source', { ...VERIFY_SETTINGS, ...maskSettings(saltOf(settings.objects.map((object) => object.filter))) }),
    open('destination', VERIFY_SETTINGS),
    open('source'),
    open('destination'),
  ]);
  const all = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failed = opened.find((result) => result.status === 'rejected');
  if (failed?.status === 'rejected') {
    await Promise.all(all.map((session) => session.close()));
    throw failed.reason;
  }
  const [source, destination, sourceAside, destinationAside] = all;
  return {
    source: must(source, 'a session'),
    destination: must(destination, 'a session'),
    sourceAside: must(sourceAside, 'a session'),
    destinationAside: must(destinationAside, 'a session'),
    all,
  };
}

interface SourceFacts {
  readonly names: ReplicationNames;
  /** `server_version_num`. */
  readonly versionNum: number;
}

class PipelineVerification {
  readonly #settings: PipelineSettings;
  readonly #sessions: Sessions;
  readonly #signal: AbortSignal;

  constructor(settings: PipelineSettings, sessions: Sessions, signal: AbortSignal) {
    this.#settings = settings;
    this.#sessions = sessions;
    this.#signal = signal;
  }

  async run(selection: ObjectSelection): Promise<readonly VerifyReport[]> {
    const { destinationAside, sourceAside } = this.#sessions;
    const installed = await hasState(destinationAside, 'refuse');
    const records = installed ? await loadObjects(destinationAside, this.#settings.name) : [];
    const names = await pipelineNames(this.#settings, destinationAside);
    const { tables, version } = await readTables(sourceAside, { schemas: this.#settings.schemas });
    const reports: VerifyReport[] = [];
    for (const record of this.#chosen(records, selection)) {
      const table = tables.find((candidate) => candidate.oid === record.sourceOid);
      reports.push(await this.#one(record, table, { names, versionNum: version.number }));
    }
    return reports;
  }

  #chosen(records: readonly ObjectRecord[], selection: ObjectSelection): readonly ObjectRecord[] {
    if (selection === 'all') return records.filter((record) => COMPARABLE.has(record.state));
    return selection.map((name) => {
      const found = records.find((record) => sameName(record.source, name));
      if (found !== undefined) return found;
      throw new MillraceError('object_unknown', {
        cause: `pipeline ${JSON.stringify(this.#settings.name)} has no object ${objectLabel(name)}`,
      });
    });
  }

  async #one(record: ObjectRecord, table: SourceTable | undefined, { names, versionNum }: SourceFacts): Promise<VerifyReport> {
    const position = record.appliedLsn ?? LSN_ZERO;
    if (record.state === 'refreshed') {
      const cause = 'its rows are those of its last refresh: the source has gone on since, and nothing says up to where they were equal';
      return unverifiedReport(record.source, new MillraceError('transition_refused', { cause }), position);
    }
    if (
      table === undefined ||
      record.destination === null ||
      record.columns === null ||
      record.identity === null ||
      !COMPARABLE.has(record.state)
    ) {
      const cause = table === undefined ? 'the source table is gone' : `its rows are not at the destination yet: it is ${record.state}`;
      return unverifiedReport(record.source, new MillraceError('transition_refused', { cause }), position);
    }
    const filter = filterOf(this.#settings, record.source);
    if (filterPart(record.layout) !== (filter === null ? null : filterSignature(filter))) {
      const cause = 'the file asks for other columns, masks or rows than those that were loaded: let the pipeline run first';
      return unverifiedReport(record.source, new MillraceError('transition_refused', { cause }), position);
    }
    const condition = filter === null || filter.where === null ? undefined : await this.#conditionOf(table, names);
    if (condition === null) {
      const cause = 'its rows are not published with the condition that the file asks for: let the pipeline run first';
      return unverifiedReport(record.source, new MillraceError('transition_refused', { cause }), position);
    }
    const layout = parseLayout(record.layout);
    const present = presentRows(layout);
    if (present?.kind === 'newest' && record.identity.kind !== 'key') {
      const cause = 'its table keeps every change, and without a key the present rows can not be told from those';
      return unverifiedReport(record.source, new MillraceError('transition_refused', { cause }), position);
    }
    const compared = { ...record.destination, columns: record.columns, identity: record.identity };
    const seen = { masks: filter?.masks, condition };
    const plan = planVerify(table, compared, { filter: seen, present, sourceVersionNum: versionNum });
    try {
      const { source, destination } = this.#sessions;
      const progress = this.#progress(record, plan, names);
      const result = await verifyObject({
        plan,
        source,
        destination,
        progress,
        allowsExtra: layout.deletes === 'ignore',
        estimatedRows: table.estimatedRows,
        signal: this.#signal,
      });
      return verifyReport(record.source, result, plan.leftOut);
    } catch (error) {
      this.#signal.throwIfAborted();
      return unverifiedReport(record.source, error, position);
    }
  }

  #progress(record: ObjectRecord, plan: VerifyPlan, names: ReplicationNames): VerifyProgress {
    const { sourceAside } = this.#sessions;
    return {
      sourceLsn: () => readSourceLsn(sourceAside),
      checkpoint: () => this.#checkpoint(record.source),
      isRunning: async () => (await readSlotPosition(sourceAside, names.slot)).isActive,
      settled: () => waitForOpenTransactions(sourceAside, { timeoutMs: SETTLE_TIMEOUT_MS, signal: this.#signal }),
      pending: async (from, upTo) => {
        const pending = await readPendingChanges(sourceAside, {
          slot: names.slot,
          publications: streamedPublications(
            names.publications,
            await readPublications(sourceAside, [names.publications.full, names.publications.insertOnly]),
          ),
          oids: plan.sourceOids,
          // The log has keys as they are: of masked ones nothing can be told, so any row may have changed.
          key: plan.source.key.some((name) => plan.source.masks?.has(name)) ? [] : plan.source.key,
          from,
          upTo,
          maxWalBytes: MAX_PENDING_WAL_BYTES,
        });
        // The log has the source's text of a key, and rows are told apart by what has become of it.
        const isConverted = plan.source.key.some((name) => plan.source.conversions?.has(name) === true);
        return isConverted && pending.kind === 'keys' && pending.keys.size > 0 ? { kind: 'everything' } : pending;
      },
    };
  }

  async #conditionOf(table: SourceTable, { publications }: ReplicationNames): Promise<string | null> {
    return publishedCondition(await readPublications(this.#sessions.sourceAside, [publications.full, publications.insertOnly]), table);
  }

  /** A streaming object is as far as the pipeline; any other is at its own position. */
  async #checkpoint(source: QualifiedName): Promise<Lsn> {
    const { destinationAside } = this.#sessions;
    const pipeline = await loadPipeline(destinationAside, this.#settings.name);
    const record = (await loadObjects(destinationAside, this.#settings.name)).find((candidate) => sameName(candidate.source, source));
    const applied = record?.appliedLsn ?? LSN_ZERO;
    return record?.state === 'streaming' ? maxLsn(applied, pipeline?.checkpointLsn ?? LSN_ZERO) : applied;
  }
}

/** States in which the destination holds the object's rows as of one position. */
const COMPARABLE: ReadonlySet<ObjectRecord['state']> = new Set(['streaming', 'paused', 'failed']);

/** How the table tells the rows that stand for the source's present ones; undefined: all do. */
function presentRows(layout: Layout): PresentRows | undefined {
  const kept = keptBy(layout);
  if (kept?.kind === 'versions') return { kind: 'current', current: kept.current };
  if (kept?.kind === 'changes') {
    const { change, lsn, sequence, words } = kept;
    return { kind: 'newest', change, lsn, sequence, words };
  }
  const metadata = metadataColumns(layout);
  return metadata.some(({ isMark }) => isMark) ? { kind: 'unmarked', condition: unmarkedRows(metadata, 't') } : undefined;
}

function sameName(a: QualifiedName, b: QualifiedName): boolean {
  return a.schema === b.schema && a.name === b.name;
}
