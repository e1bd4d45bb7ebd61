// The operation `demo`: two real clusters, a shop with live writes, and a pipeline between them; nothing of it stays behind.
import type { DemoReport, VerifyReport } from '@millrace/contract/report';
import type { EventListener } from '../../cli/operations.ts';
import { connect } from '../../db/connect.ts';
import type { PgSession } from '../../db/session.ts';
import type { Log } from '../../lib/log.ts';
import type { ConnectionSettings } from '../../model/connection.ts';
import type { FileSettings, PipelineSettings } from '../config/settings.ts';
import { runFile } from '../operations/run.ts';
import { verifyPipeline } from '../operations/verify.ts';
import { type DemoClusters, startDemoClusters } from './clusters.ts';
import { createShop } from './shop.ts';
import { ShopWorkload } from './workload.ts';
import { NATIVE_LAYOUT } from '../../model/layout.ts';

const PIPELINE = 'shop_to_warehouse';
const TRANSACTIONS_PER_SECOND = 100;
/** `--once` lets the workload change the shop for this long before it catches up and compares. */
const ONCE_WORKLOAD_MS = 6_000;

export interface DemoContext {
  readonly log: Log;
  readonly onEvent: EventListener;
  readonly signal: AbortSignal;
}

/** Runs until the signal aborts; with `once` until both sides have been compared. Removes the clusters at the end. */
export async function runDemo(options: { readonly once: boolean }, context: DemoContext): Promise<DemoReport> {
  const notice = (message: string): void => context.onEvent({ type: 'notice', time: new Date().toISOString(), message });
  notice('Starting two PostgreSQL servers for the demo …');
  const clusters = await startDemoClusters(context.signal);
  try {
    notice(`Source: ${describe(clusters.source)} — destination: ${describe(clusters.destination)}`);
    const session = await openShop(clusters);
    try {
      return await (options.once ? demoOnce(clusters, session, context) : demoLive(clusters, session, context));
    } finally {
      await session.close();
    }
  } finally {
    await clusters.stop();
  }
}

async function openShop(clusters: DemoClusters): Promise<PgSession> {
  const session = await connect(clusters.shop, { applicationName: 'millrace demo shop', side: 'source' });
  try {
    await createShop(session);
    return session;
  } catch (error) {
    await session.close();
    throw error;
  }
}

async function demoLive(clusters: DemoClusters, session: PgSession, context: DemoContext): Promise<DemoReport> {
  const workload = new ShopWorkload(session, { transactionsPerSecond: TRANSACTIONS_PER_SECOND });
  try {
    const report = await runFile({ pipelines: [], once: false }, { ...context, file: demoFile(clusters) });
    return { ...report, verified: null };
  } finally {
    await workload.stop();
  }
}

/** Loads while the shop is open, lets it run for some seconds, then catches up with what was written and compares every table. */
async function demoOnce(clusters: DemoClusters, session: PgSession, context: DemoContext): Promise<DemoReport> {
  const file = demoFile(clusters);
  const workload = new ShopWorkload(session, { transactionsPerSecond: TRANSACTIONS_PER_SECOND });
  // `AbortSignal.any` over `AbortSignal.timeout` is no choice: Node may collect the timeout as garbage before it fires.
  const ending = new AbortController();
  const end = (): void => ending.abort();
  const timer = setTimeout(end, ONCE_WORKLOAD_MS);
  context.signal.addEventListener('abort', end, { once: true });
  try {
    await runFile({ pipelines: [], once: false }, { ...context, file, signal: ending.signal });
  } finally {
    clearTimeout(timer);
    context.signal.removeEventListener('abort', end);
    await workload.stop();
  }
  if (context.signal.aborted) return { pipelines: [], verified: null };
  const report = await runFile({ pipelines: [], once: true }, { ...context, file });
  return { ...report, verified: await verified(demoPipeline(clusters), context.signal) };
}

async function verified(settings: PipelineSettings, signal: AbortSignal): Promise<readonly VerifyReport[] | null> {
  return signal.aborted ? null : verifyPipeline(settings, 'all', signal);
}

function demoFile(clusters: DemoClusters): FileSettings {
  const pipeline = demoPipeline(clusters);
  return { path: 'demo', sources: [pipeline.source], destinations: [pipeline.destination], pipelines: [pipeline], warnings: [] };
}

function demoPipeline(clusters: DemoClusters): PipelineSettings {
  return {
    name: PIPELINE,
    source: { name: 'shop', type: 'generic', connection: clusters.source },
    destination: { name: 'warehouse', connection: clusters.destination },
    schedule: 'continuous',
    loadHistoricalData: true,
    includeNewTables: true,
    defaultObjectState: 'included',
    schemas: null,
    objects: [],
    namespace: { kind: 'source' },
    schemaChanges: 'apply',
    layout: NATIVE_LAYOUT,
  };
}

function describe(connection: ConnectionSettings): string {
  return `${connection.host}:${connection.port}/${connection.database}`;
}
