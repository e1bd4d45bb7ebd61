// The layouts that are measured beside the native one: what their pipeline file says, and which of their rows count.

/** A contender that is Millrace with other options. */
export interface BenchLayout {
  /** Lines of the pipeline in the file. */
  readonly options: readonly string[];
  /** The condition that a row of the destination is there at the source. */
  readonly present: string;
}

const ALL_ROWS = 'true';

export const LAYOUTS = {
  millrace: { options: [], present: ALL_ROWS },
  soft: { options: ['deletes: soft'], present: 'NOT _millrace_deleted' },
  metadata: { options: ['metadata_columns: millrace'], present: ALL_ROWS },
  airbyte: { options: ['preset: airbyte', 'raw_tables: false'], present: ALL_ROWS },
  raw: { options: ['raw_tables: true'], present: ALL_ROWS },
  history: { options: ['history: true'], present: '_millrace_current' },
} as const satisfies Readonly<Record<string, BenchLayout>>;

export type LayoutName = keyof typeof LAYOUTS;

/** Whether a contender is Millrace, in whatever layout. */
export function isLayout(contender: string): contender is LayoutName {
  return contender in LAYOUTS;
}

/** Which rows of a contender's destination count. */
export function presentRows(contender: string): string {
  return isLayout(contender) ? LAYOUTS[contender].present : ALL_ROWS;
}
