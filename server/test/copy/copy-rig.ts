// What a test needs to load one table as a pipeline would: plan, destination table, state and hooks, all real.
import { type CopyHooks, type CopyOutcome, type CopyTuning, copyObject } from '../../src/app/copy/copy-object.ts';
import type { UnfinishedCopy } from '../../src/app/copy/resume.ts';
import { type CopyServers, CopySessions } from '../../src/app/copy/sessions.ts';
import { connect } from '../../src/db/connect.ts';
import type { PgSession } from '../../src/db/session.ts';
import { addKeys, createDestinationTable } from '../../src/destination/ddl.ts';
import { planTables } from '../../src/destination/ddl-plan.ts';
import { holdEpoch, recordChunk } from '../../src/destination/load-record.sql.ts';
import { loadChunks, loadObjects, setObjectState, takeOver, upsertObjects } from '../../src/destination/state.ts';
import { installState } from '../../src/destination/state-install.ts';
import type { Fence, ObjectRecord } from '../../src/destination/state-records.ts';
import { must } from '../../src/lib/assert.ts';
import type { DestinationTable } from '../../src/model/destination-table.ts';
import type { SourceTable } from '../../src/model/table.ts';
import type { QualifiedName } from '../../src/pg/ident.ts';
import type { Snapshot } from '../../src/pg/snapshot.ts';
import { readTables } from '../../src/source/catalog.ts';
import { columnTypeOids, readTypes } from '../../src/source/types.ts';
import { NATIVE_LAYOUT } from '../../src/model/layout.ts';

export interface Attempt {
  readonly servers: CopyServers;
  readonly table: QualifiedName;
  /** The destination's schema; absent: the source's. */
  readonly schema?: string | undefined;
  readonly mode?: 'first' | 'reload' | undefined;
  readonly workers?: number | undefined;
  readonly tuning?: CopyTuning | undefined;
  /** Load in text form even where binary would do. */
  readonly asText?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly hasStreamedInvisible?: ((snapshot: Snapshot) => boolean) | undefined;
  readonly hooks?: Partial<CopyHooks> | undefined;
  /** Called when the snapshot is open and nothing has been copied. */
  readonly onBegin?: (() => Promise<void>) | undefined;
}

export interface AttemptResult {
  readonly outcome: CopyOutcome;
  readonly started: 'fresh' | 'resumed';
  readonly source: SourceTable;
  readonly destination: DestinationTable;
}

/** Takes the pipeline over and loads the table, going on from what an earlier attempt left in the state. */
export async function attemptLoad(attempt: Attempt): Promise<AttemptResult> {
  const { servers } = attempt;
  const source = await connect(servers.source, { applicationName: 'test catalogue', side: 'source' });
  const destination = await connect(servers.destination, { applicationName: 'test state', side: 'destination' });
  const sessions = new CopySessions(servers);
  try {
    const table = await sourceTable(source, attempt.table);
    const { fence, record, planned } = await prepare(source, destination, { attempt, table });
    const unfinished = await readUnfinished(destination, fence, record);
    let started: 'fresh' | 'resumed' = 'resumed';
    const onStart = async (kind: 'fresh' | 'resumed'): Promise<void> => {
      started = kind;
      await attempt.onBegin?.();
    };
    const outcome = await copyObject(sessions, {
      source: table,
      destination: attempt.asText === true ? { ...planned, binarySafe: false } : planned,
      mode: attempt.mode ?? 'first',
      unfinished,
      workers: attempt.workers ?? 2,
      hasStreamedInvisible: attempt.hasStreamedInvisible ?? (() => false),
      hooks: stateHooks({ fence, record, planned, overrides: attempt.hooks ?? {}, onStart }),
      signal: attempt.signal ?? new AbortController().signal,
      tuning: attempt.tuning,
    });
    return { outcome, started, source: table, destination: planned };
  } finally {
    await Promise.all([sessions.closeIdle(), source.close(), destination.close()]);
  }
}

export const PIPELINE = "rig's pipeline";

async function sourceTable(session: PgSession, name: QualifiedName): Promise<SourceTable> {
  const { tables } = await readTables(session, { schemas: null });
  return must(
    tables.find((table) => table.schema === name.schema && table.name === name.name),
    `the source table ${name.name}`,
  );
}

interface Prepared {
  readonly fence: Fence;
  readonly record: ObjectRecord;
  readonly planned: DestinationTable;
}

async function prepare(
  source: PgSession,
  destination: PgSession,
  { attempt, table }: { readonly attempt: Attempt; readonly table: SourceTable },
): Promise<Prepared> {
  await installState(destination);
  const { epoch } = await takeOver(destination, { pipeline: PIPELINE, sourceSystemId: '1', sourceDatabase: 'rig' });
  const fence = { pipeline: PIPELINE, epoch };
  const name = { schema: attempt.schema ?? table.schema, name: table.name };
  const entry = { sourceOid: table.oid, state: 'copying', desired: 'included', reason: null, destination: null } as const;
  await upsertObjects(destination, fence, [{ source: attempt.table, ...entry }]);
  const types = await readTypes(source, columnTypeOids([table]));
  const rule = attempt.schema === undefined ? ({ kind: 'source' } as const) : ({ kind: 'destination', schema: attempt.schema } as const);
  const [plan] = await planTables(destination, {
    tables: [{ source: table, name, layout: NATIVE_LAYOUT }],
    tableNames: [name],
    types,
    rule,
    pipeline: PIPELINE,
    collationsAgree: true,
    sourceVersionNum: Number((await source.query('SHOW server_version_num'))[0]?.[0]),
  });
  if (plan?.kind !== 'table') throw new Error(`the table can't be planned: ${JSON.stringify(plan)}`);
  await createDestinationTable(destination, { fence, source: attempt.table }, plan);
  const [record] = await loadObjects(destination, PIPELINE);
  return { fence, record: must(record, 'the object'), planned: plan.table };
}

async function readUnfinished(session: PgSession, fence: Fence, record: ObjectRecord): Promise<UnfinishedCopy | null> {
  const { source, copyGeneration, snapshot, snapshotLsn, leaves } = record;
  if (snapshot === null || snapshotLsn === null || leaves === null) return null;
  const chunks = await loadChunks(session, fence.pipeline, { source, copyGeneration });
  return { snapshotText: snapshot, endLsn: snapshotLsn, leaves, finished: chunks.map((chunk) => ({ ...chunk, no: chunk.chunkNo })) };
}

interface HookParts extends Prepared {
  readonly overrides: Partial<CopyHooks>;
  readonly onStart: (kind: 'fresh' | 'resumed') => Promise<void>;
}

function stateHooks({ fence, record, planned, overrides, onStart }: HookParts): CopyHooks {
  const { source } = record;
  let { copyGeneration } = record;
  return {
    begin: async (session, start) => {
      await onStart(start.kind);
      if (start.kind === 'resumed') return setObjectState(session, fence, source, {});
      copyGeneration += 1;
      const { snapshotText, endLsn, leaves } = start;
      await setObjectState(session, fence, source, {
        copyGeneration,
        snapshot: snapshotText,
        snapshotLsn: endLsn,
        leaves,
        resetCounters: true,
      });
    },
    recordPiece: ({ no, ...piece }) => recordChunk(fence, { ...piece, chunkNo: no, source, copyGeneration }),
    holdEpoch: () => holdEpoch(fence),
    addKeys: (session) => addKeys(session, fence, planned),
    finish: (session) => setObjectState(session, fence, source, { state: 'catching_up' }),
    onProgress: () => {},
    ...overrides,
  };
}
