// The operation `check`: the preflight of sources, destinations and pipelines. What can't be reached is a finding, not an exception.
import type { SubjectFinding } from '@millrace/contract/report';
import type { CheckOptions } from '../../cli/operations.ts';
import { connect } from '../../db/connect.ts';
import type { PgSession } from '../../db/session.ts';
import { checkDestination } from '../../destination/checks.ts';
import { loadObjects } from '../../destination/state.ts';
import { hasState } from '../../destination/state-install.ts';
import { MillraceError } from '../../model/error.ts';
import { type Finding, passed, problem } from '../../model/finding.ts';
import { isRefreshed } from '../../model/layout.ts';
import { objectLabel, type SourceTable } from '../../model/table.ts';
import { readTables } from '../../source/catalog.ts';
import { checkSource } from '../../source/checks.ts';
import { replicationNames } from '../../source/slot-name.ts';
import { type DestinationSettings, type FileSettings, layoutOf, type PipelineSettings, type SourceSettings } from '../config/settings.ts';
import { missedRelations } from '../pipeline/ineligible.ts';
import { pipelineNames } from '../pipeline/names.ts';
import { filterFindings } from '../pipeline/filter-findings.ts';
import { planPipeline } from '../pipeline/plan.ts';
import { findDestination, findPipeline, findSource } from '../selection.ts';

/** Findings of what was asked for; without a choice, of every pipeline and of every server that no pipeline uses. */
export async function checkFile(file: FileSettings, options: CheckOptions): Promise<readonly SubjectFinding[]> {
  const findings: SubjectFinding[] = [];
  for (const target of targetsOf(file, options)) {
    const found = await checkTarget(target);
    findings.push(...found.map((finding) => ({ ...finding, subject: `${target.kind} ${target.settings.name}` })));
  }
  return findings;
}

type Target =
  | { readonly kind: 'source'; readonly settings: SourceSettings }
  | { readonly kind: 'destination'; readonly settings: DestinationSettings }
  | { readonly kind: 'pipeline'; readonly settings: PipelineSettings };

function targetsOf(file: FileSettings, options: CheckOptions): readonly Target[] {
  const { source, destination, pipeline } = options;
  if (source === null && destination === null && pipeline === null) {
    const unusedSources = file.sources.filter((each) => !file.pipelines.some((used) => used.source.name === each.name));
    const unusedDestinations = file.destinations.filter((each) => !file.pipelines.some((used) => used.destination.name === each.name));
    return [
      ...file.pipelines.map((settings): Target => ({ kind: 'pipeline', settings })),
      ...unusedSources.map((settings): Target => ({ kind: 'source', settings })),
      ...unusedDestinations.map((settings): Target => ({ kind: 'destination', settings })),
    ];
  }
  return [
    ...(pipeline === null ? [] : [{ kind: 'pipeline', settings: findPipeline(file, pipeline) } as const]),
    ...(source === null ? [] : [{ kind: 'source', settings: findSource(file, source) } as const]),
    ...(destination === null ? [] : [{ kind: 'destination', settings: findDestination(file, destination) } as const]),
  ];
}

async function checkTarget(target: Target): Promise<readonly Finding[]> {
  switch (target.kind) {
    case 'source':
      return withSession('source', target.settings.connection, async (session) => {
        const { tables, ineligible } = await readTables(session, { schemas: null });
        const names = replicationNames('preflight', target.settings.connection.database);
        return checkSource(session, {
          connection: target.settings.connection,
          names,
          tables,
          missed: [],
          includeNewTables: false,
        }).then((found) => [
          ...found,
          ...(ineligible.length === 0
            ? []
            : [passed('ineligible', `${ineligible.length} relations can't be objects; see millrace discover`)]),
        ]);
      });
    case 'destination':
      return withSession('destination', target.settings.connection, (session) => checkDestination(session, { pipeline: '', objects: [] }));
    case 'pipeline':
      return checkPipeline(target.settings);
  }
}

async function checkPipeline(settings: PipelineSettings): Promise<readonly Finding[]> {
  return withSession('source', settings.source.connection, (source) =>
    withSession('destination', settings.destination.connection, (destination) => checkBoth(settings, source, destination)),
  );
}

async function checkBoth(settings: PipelineSettings, source: PgSession, destination: PgSession): Promise<readonly Finding[]> {
  const installed = await hasState(destination, 'refuse');
  const records = installed ? await loadObjects(destination, settings.name) : [];
  const plan = await planPipeline({ source, destination, settings, records });
  const wanted = plan.objects.filter((object) => object.desired !== 'skipped');
  const tables: readonly SourceTable[] = wanted.filter((object) => object.outcome.kind === 'table').map((object) => object.source);
  const streamed = tables.filter((table) => !isRefreshed(layoutOf(settings, table)));
  const names = await pipelineNames(settings, destination);
  const missed = missedRelations(plan, settings, records);
  return [
    ...(await checkSource(source, {
      connection: settings.source.connection,
      names,
      tables,
      streamed,
      missed,
      includeNewTables: settings.includeNewTables,
    })),
    ...(await checkDestination(destination, {
      pipeline: settings.name,
      objects: wanted.map(({ source: from, name, outcome }) => ({
        source: from,
        destination: name,
        plan: outcome.kind === 'table' ? outcome : undefined,
      })),
    })),
    ...filterFindings(wanted),
    ...wanted.flatMap((object) =>
      object.outcome.kind === 'refused' ? [refusedFinding(object.outcome.error, objectLabel(object.source))] : [],
    ),
  ];
}

function refusedFinding(error: MillraceError, object: string): Finding {
  return problem('fail', error.errorName, { cause: error.message, fix: error.fix, object });
}

/** A connection that fails is the one finding of its side. */
async function withSession(
  side: 'source' | 'destination',
  connection: SourceSettings['connection'],
  work: (session: PgSession) => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  let session: PgSession;
  try {
    session = await connect(connection, { applicationName: 'millrace check', side });
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    return [problem('fail', error.errorName, { cause: error.message, fix: error.fix, sqlstate: error.facts.sqlstate })];
  }
  try {
    const found = await work(session);
    return [passed(`${side}_connection`, `the ${side} answers`), ...found];
  } finally {
    await session.close();
  }
}
