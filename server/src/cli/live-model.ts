// What the live view knows of running pipelines and how it looks: events in, lines out. No clock, no terminal.
import type { ObjectStateName, PipelineStateName } from '@millrace/contract/report';
import type { ObjectProgress, ProgressEvent, RunEvent } from '@millrace/contract/run-event';
import { formatBytes, formatCount, formatEta, formatLag, formatRate, plural } from './format.ts';
import { stateCell } from './report-text.ts';
import { renderTable } from './table.ts';
import { fit, type Paint, printable } from './terminal-text.ts';

/** How far back a rate looks. */
const RATE_WINDOW_MS = 10_000;

interface Sample {
  readonly atMs: number;
  readonly rows: number;
  readonly bytes: number;
}

interface LiveObject {
  progress: ObjectProgress;
  samples: readonly Sample[];
  /** Whether it changed since `takeChanged` was called. */
  isChanged: boolean;
}

interface LivePipeline {
  readonly name: string;
  state: PipelineStateName;
  position: ProgressEvent | null;
  readonly objects: Map<string, LiveObject>;
}

/** The size that the lines must fit into. */
export interface ViewSize {
  readonly columns: number;
  readonly rows: number;
}

/** The latest progress of every pipeline and object. Bounded by their number, not by time. */
export class LiveModel {
  readonly #pipelines = new Map<string, LivePipeline>();

  /** Takes an event that was received at `nowMs`. */
  apply(event: RunEvent, nowMs: number): void {
    if (event.type === 'state') this.#pipeline(event.pipeline).state = event.state;
    if (event.type !== 'progress') return;
    const pipeline = this.#pipeline(event.pipeline);
    pipeline.position = event;
    for (const progress of event.objects) {
      const known = pipeline.objects.get(progress.object);
      const samples = nextSamples(known, progress, nowMs);
      pipeline.objects.set(progress.object, { progress, samples, isChanged: true });
    }
  }

  /** The view as a block of lines that fits `size`: what moves and what failed first, the rest counted. */
  render(size: ViewSize, nowMs: number, paint: Paint): string[] {
    const pipelines = [...this.#pipelines.values()];
    const rowsEach = Math.max(1, Math.floor((size.rows - 1) / Math.max(1, pipelines.length)) - OVERHEAD_LINES);
    return pipelines
      .flatMap((pipeline) => renderPipeline(pipeline, { columns: size.columns, rows: rowsEach }, nowMs, paint))
      .slice(0, Math.max(1, size.rows - 1));
  }

  /** Plain lines, one per object that changed since the last call, at most `limit` a pipeline. */
  takeChanged(nowMs: number, limit: number): string[] {
    return [...this.#pipelines.values()].flatMap((pipeline) => {
      const changed = inOrder(pipeline).filter((object) => object.isChanged);
      for (const object of changed) object.isChanged = false;
      const lines = changed.slice(0, limit).map((object) => plainLine(pipeline, object, nowMs));
      return changed.length > limit
        ? [...lines, `${printable(pipeline.name)} … and ${plural(changed.length - limit, 'more object')}`]
        : lines;
    });
  }

  #pipeline(name: string): LivePipeline {
    const known = this.#pipelines.get(name);
    if (known !== undefined) return known;
    const created: LivePipeline = { name, state: 'starting', position: null, objects: new Map() };
    this.#pipelines.set(name, created);
    return created;
  }
}

/** A pipeline's own line, the heading and the line that counts what is not shown. */
const OVERHEAD_LINES = 3;

function nextSamples(known: LiveObject | undefined, progress: ObjectProgress, nowMs: number): readonly Sample[] {
  const sample = { atMs: nowMs, rows: progress.rows_copied + changesOf(progress), bytes: progress.bytes_copied };
  // A restarted object counts from nothing again: older samples would give a negative rate.
  const restarted =
    known !== undefined &&
    (progress.rows_copied < known.progress.rows_copied || (progress.state === 'copying' && known.progress.state !== 'copying'));
  const before = restarted ? [] : (known?.samples ?? []);
  // The newest sample outside the window stays, so that a rate spans the whole window.
  const firstInside = before.findIndex((old) => nowMs - old.atMs <= RATE_WINDOW_MS);
  return [...before.slice(firstInside === -1 ? -1 : Math.max(0, firstInside - 1)), sample];
}

function changesOf(progress: ObjectProgress): number {
  return progress.inserted + progress.updated + progress.deleted;
}

interface Rate {
  readonly rows: number;
  readonly bytes: number;
  readonly observedSeconds: number;
}

/** Rates fall to nothing while no event comes, because the window goes on. */
function rateOf(object: LiveObject, nowMs: number): Rate {
  const [first] = object.samples;
  const last = object.samples.at(-1);
  if (first === undefined || last === undefined || nowMs <= first.atMs) return { rows: 0, bytes: 0, observedSeconds: 0 };
  const observedSeconds = (nowMs - first.atMs) / 1_000;
  return { rows: (last.rows - first.rows) / observedSeconds, bytes: (last.bytes - first.bytes) / observedSeconds, observedSeconds };
}

function etaOf({ progress }: LiveObject, rate: Rate): string {
  if (progress.state !== 'copying') return '';
  const { observedSeconds } = rate;
  if (progress.estimated_bytes !== null && progress.estimated_bytes > 0) {
    return formatEta({ done: progress.bytes_copied, total: progress.estimated_bytes, perSecond: rate.bytes, observedSeconds });
  }
  return formatEta({ done: progress.rows_copied, total: progress.estimated_rows, perSecond: rate.rows, observedSeconds });
}

/** What a person wants to see first. */
const PRIORITY: readonly ObjectStateName[] = [
  'failed',
  'copying',
  'catching_up',
  'pending',
  'streaming',
  'refreshed',
  'paused',
  'skipped',
  'ineligible',
];

function inOrder(pipeline: LivePipeline): LiveObject[] {
  return [...pipeline.objects.values()].toSorted(
    (a, b) => PRIORITY.indexOf(a.progress.state) - PRIORITY.indexOf(b.progress.state) || compare(a.progress.object, b.progress.object),
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const COLUMNS = [
  { title: 'object', maxWidth: 40 },
  { title: 'phase' },
  { title: 'rows', align: 'right' as const },
  { title: 'changes', align: 'right' as const },
  { title: 'bytes', align: 'right' as const },
  { title: 'rate', align: 'right' as const },
  { title: 'eta', align: 'right' as const },
  { title: 'lag', align: 'right' as const },
  { title: 'remark' },
];

function renderPipeline(pipeline: LivePipeline, size: ViewSize, nowMs: number, paint: Paint): string[] {
  const state = stateCell(pipeline.state);
  const ordered = inOrder(pipeline);
  const shown = ordered.slice(0, size.rows);
  const rows = shown.map((object) => {
    const { progress } = object;
    const rate = rateOf(object, nowMs);
    const remark = progress.reason === null ? (progress.note ?? '') : `${progress.reason.code} ${progress.reason.cause}`;
    return [progress.object, stateCell(progress.state), ...numbersOf(pipeline, object, rate), remark];
  });
  // Escape sequences take no room, so lines are cut before they are painted.
  const plain = renderTable(COLUMNS, rows, (text) => text).map((line) => fit(`  ${line}`, size.columns - 1));
  const table = plain.map((line, index) => paintState(line, index === 0 ? null : (shown[index - 1]?.progress.state ?? null), paint));
  const lag = formatLag(pipeline.position?.lag_seconds ?? null, pipeline.position?.lag_bytes ?? null);
  const heading = fit(`${printable(pipeline.name)}  ${state.text}  lag ${lag}`, size.columns - 1);
  const hidden = ordered.slice(size.rows);
  return [
    paint(heading, 'strong'),
    ...(rows.length === 0 ? [] : table),
    ...(hidden.length === 0 ? [] : [fit(`  … and ${hiddenText(hidden)}`, size.columns - 1)]),
  ];
}

function paintState(line: string, state: ObjectStateName | null, paint: Paint): string {
  if (state === null) return paint(line, 'dim');
  return state === 'failed' ? paint(line, 'bad') : line;
}

function hiddenText(hidden: readonly LiveObject[]): string {
  const counts = PRIORITY.map((state) => ({ state, count: hidden.filter((object) => object.progress.state === state).length }));
  const parts = counts.filter(({ count }) => count > 0).map(({ state, count }) => `${formatCount(count)} ${stateCell(state).text}`);
  return `${plural(hidden.length, 'more object')}: ${parts.join(', ')}`;
}

/** Rows, changes, bytes, rate, ETA, lag. */
function numbersOf(pipeline: LivePipeline, object: LiveObject, rate: Rate): string[] {
  const { progress } = object;
  const moves = progress.state === 'copying' || progress.state === 'catching_up' || progress.state === 'streaming';
  return [
    progress.state === 'copying' && progress.estimated_rows !== null && progress.estimated_rows >= 0
      ? `${formatCount(progress.rows_copied)} of ~${formatCount(progress.estimated_rows)}`
      : formatCount(progress.rows_copied),
    formatCount(changesOf(progress)),
    formatBytes(progress.bytes_copied),
    moves ? formatRate(rate.rows, 'rows') : '',
    etaOf(object, rate),
    progress.state === 'streaming' ? formatLag(pipeline.position?.lag_seconds ?? null, null) : '',
  ];
}

function plainLine(pipeline: LivePipeline, object: LiveObject, nowMs: number): string {
  const [rows, changes, bytes, rate, eta, lag] = numbersOf(pipeline, object, rateOf(object, nowMs));
  const parts = [
    `${printable(pipeline.name)} ${printable(object.progress.object)}`,
    stateCell(object.progress.state).text,
    `${rows ?? ''} rows`,
    `${changes ?? ''} changes`,
    bytes ?? '',
    rate ?? '',
    eta === '' ? '' : `ETA ${eta ?? ''}`,
    lag === '' ? '' : `lag ${lag ?? ''}`,
  ];
  return parts.filter((part) => part !== '').join(', ');
}
