// Reports for people: one function per command, from a report to lines. Pure.
import type {
  DiscoveredObject,
  DropReport,
  ObjectChange,
  ObjectStateName,
  ObjectStatus,
  PipelineStateName,
  PipelineStatus,
  PlanReport,
  SubjectFinding,
  VerifyReport,
} from '@millrace/contract/report';
import { formatObjectName } from '@millrace/contract/object-name';
import { isEqual } from './exit-code.ts';
import { formatBytes, formatCount, formatLag, plural } from './format.ts';
import { type Cell, renderTable } from './table.ts';
import { type Paint, printable, printableLines, type Tone } from './terminal-text.ts';

const MAX_NAME_WIDTH = 60;

/** Findings by subject; those that pass in one line each, the others with cause and fix. */
export function checkText(findings: readonly SubjectFinding[], paint: Paint): string[] {
  const lines: string[] = [];
  let subject: string | null = null;
  for (const finding of findings) {
    if (finding.subject !== subject) {
      if (subject !== null) lines.push('');
      lines.push(paint(printable(finding.subject), 'strong'));
      subject = finding.subject;
    }
    lines.push(...findingLines(finding, paint));
  }
  const count = (status: SubjectFinding['status']): number => findings.filter((finding) => finding.status === status).length;
  lines.push('', `${formatCount(count('pass'))} passed, ${plural(count('warn'), 'warning')}, ${formatCount(count('fail'))} failed`);
  return lines;
}

const FINDING_TONES: Readonly<Record<SubjectFinding['status'], Tone>> = { pass: 'good', warn: 'warning', fail: 'bad' };

/** One finding; also used while a pipeline runs. */
export function findingLines(finding: Omit<SubjectFinding, 'subject'>, paint: Paint): string[] {
  const code = finding.status === 'pass' ? '' : `${finding.code} `;
  const object = finding.object === null ? '' : ` (${printable(finding.object)})`;
  const lines = [`  ${paint(finding.status, FINDING_TONES[finding.status])}  ${code}${printable(finding.title)}${object}`];
  if (finding.cause !== '') lines.push(indented('why', finding.cause, paint));
  if (finding.fix !== '') lines.push(indented('fix', finding.fix, paint));
  return lines;
}

function indented(label: string, text: string, paint: Paint): string {
  return `        ${paint(label, 'dim')}  ${printableLines(text).split('\n').join('\n             ')}`;
}

/** A source's relations, then why some can't be objects. */
export function discoverText(objects: readonly DiscoveredObject[], paint: Paint): string[] {
  if (objects.length === 0) return ['no tables found: does the role have USAGE on a schema?'];
  const columns = [
    { title: 'object', maxWidth: MAX_NAME_WIDTH },
    { title: 'kind' },
    { title: 'size', align: 'right' as const },
    { title: 'rows', align: 'right' as const },
    { title: 'key', maxWidth: 30 },
    { title: 'identity' },
    { title: 'eligible' },
    { title: 'remark' },
  ];
  const rows = objects.map((object) => [
    formatObjectName(object),
    object.kind.replaceAll('_', ' '),
    formatBytes(object.size_bytes),
    object.estimated_rows === null ? '?' : `~${formatCount(object.estimated_rows)}`,
    object.primary_key.join(', ') || '-',
    object.replica_identity,
    object.eligible ? { text: 'yes', tone: 'good' as const } : { text: 'no', tone: 'bad' as const },
    [object.reason, object.fix, ...object.notes].filter((text) => text !== null && text !== '').join('; '),
  ]);
  const eligible = objects.filter((object) => object.eligible).length;
  return [...renderTable(columns, rows, paint), '', `${plural(objects.length, 'relation')}, ${formatCount(eligible)} eligible`];
}

const STATE_TONES: Readonly<Record<ObjectStateName | PipelineStateName, Tone>> = {
  pending: 'dim',
  copying: 'strong',
  catching_up: 'strong',
  streaming: 'good',
  refreshed: 'good',
  skipped: 'dim',
  paused: 'warning',
  failed: 'bad',
  ineligible: 'dim',
  starting: 'strong',
  loading: 'strong',
  idle: 'dim',
  retrying: 'warning',
  stopped: 'bad',
};

/** A state's name with its tone. */
export function stateCell(state: ObjectStateName | PipelineStateName): Cell {
  return { text: state.replaceAll('_', ' '), tone: STATE_TONES[state] };
}

/** Objects with their states and counts. */
export function objectsText(objects: readonly ObjectStatus[], paint: Paint): string[] {
  const columns = [
    { title: 'object', maxWidth: MAX_NAME_WIDTH },
    { title: 'state' },
    { title: 'destination', maxWidth: MAX_NAME_WIDTH },
    { title: 'copied', align: 'right' as const },
    { title: 'inserted', align: 'right' as const },
    { title: 'updated', align: 'right' as const },
    { title: 'deleted', align: 'right' as const },
    { title: 'truncated', align: 'right' as const },
    { title: 'remark' },
  ];
  const rows = objects.map((object) => [
    object.object,
    stateCell(object.state),
    object.destination === null ? '-' : formatObjectName({ schema: object.destination.schema, name: object.destination.table }),
    formatCount(object.rows_copied),
    formatCount(object.inserted),
    formatCount(object.updated),
    formatCount(object.deleted),
    formatCount(object.truncated),
    object.reason === null ? (object.note ?? '') : `${object.reason.code} ${object.reason.cause}`,
  ]);
  const fixes = objects.filter((object) => object.reason !== null && object.reason.fix !== '');
  return [
    ...renderTable(columns, rows, paint),
    ...fixes.flatMap((object) => ['', printable(object.object), indented('fix', object.reason?.fix ?? '', paint)]),
  ];
}

/** What an `objects` command changed. */
export function changesText(changes: readonly ObjectChange[], paint: Paint): string[] {
  if (changes.length === 0) return ['no objects'];
  const columns = [{ title: 'object', maxWidth: MAX_NAME_WIDTH }, { title: 'was' }, { title: 'is' }];
  return renderTable(
    columns,
    changes.map((change) => [change.object, stateCell(change.before), stateCell(change.after)]),
    paint,
  );
}

/** Pipelines, each with its positions and its objects. */
export function statusText(pipelines: readonly PipelineStatus[], paint: Paint): string[] {
  return pipelines.flatMap((pipeline, index) => [...(index === 0 ? [] : ['']), ...pipelineLines(pipeline, paint)]);
}

function pipelineLines(pipeline: PipelineStatus, paint: Paint): string[] {
  const state = stateCell(pipeline.state);
  const lines = [`${paint(printable(pipeline.pipeline), 'strong')}  ${paint(state.text, state.tone ?? 'dim')}`];
  if (pipeline.reason !== null) {
    lines.push(indented('why', `${pipeline.reason.code} ${pipeline.reason.cause}`, paint), indented('fix', pipeline.reason.fix, paint));
  }
  lines.push(
    `  lag ${formatLag(pipeline.lag_seconds, pipeline.lag_bytes)} · source ${pipeline.source_lsn ?? '-'} · checkpoint ${pipeline.checkpoint_lsn ?? '-'}`,
    `  slot ${printable(pipeline.slot ?? '-')} · retained WAL ${pipeline.retained_wal_bytes === null ? '-' : formatBytes(pipeline.retained_wal_bytes)}`,
  );
  if (pipeline.objects.length > 0) lines.push('', ...objectsText(pipeline.objects, paint).map((line) => `  ${line}`));
  return lines;
}

/** How both sides compare. */
export function verifyText(reports: readonly VerifyReport[], paint: Paint): string[] {
  const columns = [
    { title: 'object', maxWidth: MAX_NAME_WIDTH },
    { title: 'result' },
    { title: 'source', align: 'right' as const },
    { title: 'destination', align: 'right' as const },
    { title: 'missing', align: 'right' as const },
    { title: 'extra', align: 'right' as const },
    { title: 'different', align: 'right' as const },
    { title: 'at' },
    { title: 'remark' },
  ];
  const rows = reports.map((report) => [
    report.object,
    verdict(report),
    formatCount(report.source_rows),
    formatCount(report.destination_rows),
    formatCount(report.missing),
    formatCount(report.extra),
    formatCount(report.different),
    report.position,
    report.unverified ?? (report.sample_keys.length === 0 ? '' : `keys: ${report.sample_keys.join(', ')}`),
  ]);
  const equal = reports.filter(isEqual).length;
  return [...renderTable(columns, rows, paint), '', `${formatCount(equal)} of ${plural(reports.length, 'object')} equal`];
}

function verdict(report: VerifyReport): Cell {
  if (isEqual(report)) return { text: 'equal', tone: 'good' };
  return report.unverified === null ? { text: 'differs', tone: 'bad' } : { text: 'unverified', tone: 'warning' };
}

/** What is gone and what was left. */
/** The statements of each object, to be read and pasted; objects without any come in one line. */
export function planText(reports: readonly PlanReport[]): string[] {
  const quiet = reports.filter((report) => report.action === 'none').length;
  const lines = reports.flatMap(({ object, target, action, statements, why }) => {
    if (action === 'none') return [];
    const head = `-- ${printable(object)} → ${printable(target)}: ${action}${why === null ? '' : ` (${printable(why)})`}`;
    return [head, ...statements.map((statement) => `${printable(statement)};`), ''];
  });
  return [...lines, quiet === 0 ? '' : `-- nothing to do for ${plural(quiet, 'object')}`].filter(
    (line, index, all) => line !== '' || index < all.length - 1,
  );
}

export function dropText(report: DropReport): string[] {
  const removed = report.removed.map((name) => `removed ${printable(name)}`);
  const kept =
    report.kept_tables.length === 0
      ? []
      : [`kept ${plural(report.kept_tables.length, 'destination table')}: ${report.kept_tables.map(printable).join(', ')}`];
  return removed.length === 0 ? ['nothing to remove', ...kept] : [...removed, ...kept];
}
