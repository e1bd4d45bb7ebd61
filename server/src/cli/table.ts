// Aligned columns of printable text, with a heading and no lines.
import { displayWidth, fit, type Paint, pad, printable, type Tone } from './terminal-text.ts';

export interface Cell {
  readonly text: string;
  readonly tone?: Tone | undefined;
}

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right' | undefined;
  /** Longer cells are cut; absent: never. */
  readonly maxWidth?: number | undefined;
}

const GAP = '  ';

/** One line per row under a heading. Cells are escaped here, so they may come from anywhere. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly (Cell | string)[])[], paint: Paint): string[] {
  const cells = rows.map((row) => columns.map((column, index) => cellOf(row[index] ?? '', column)));
  const widths = columns.map((column, index) =>
    Math.max(displayWidth(column.title), ...cells.map((row) => displayWidth(row[index]?.text ?? ''))),
  );
  const heading = columns.map((column, index) => pad(column.title.toUpperCase(), widths[index] ?? 0, column.align)).join(GAP);
  return [paint(heading.trimEnd(), 'dim'), ...cells.map((row) => line(columns, row, widths, paint))];
}

function cellOf(cell: Cell | string, column: Column): Cell {
  const { text, tone } = typeof cell === 'string' ? { text: cell, tone: undefined } : cell;
  const safe = printable(text);
  return { text: column.maxWidth === undefined ? safe : fit(safe, column.maxWidth), tone };
}

function line(columns: readonly Column[], row: readonly Cell[], widths: readonly number[], paint: Paint): string {
  const parts = row.map((cell, index) => {
    const isLast = index === columns.length - 1;
    const text = isLast && columns[index]?.align !== 'right' ? cell.text : pad(cell.text, widths[index] ?? 0, columns[index]?.align);
    return cell.tone === undefined ? text : paint(text, cell.tone);
  });
  return parts.join(GAP).trimEnd();
}
