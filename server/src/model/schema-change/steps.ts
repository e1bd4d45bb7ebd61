// What is done to a destination table so that it follows its source: single steps, in an order in which each can run.
import type { MetadataColumn } from '../destination-table.ts';

/**
 * - `drop`: nothing writes the column any more; where something was built on it, it stays.
 * - `rename`: views and indexes follow by themselves.
 * - `retype`: `cast`: the values are the same in the new type. `void`: they mean nothing, all of
 *   them are about to be replaced. `text`: so do these, but none may be NULL.
 * - `add`: `value` is what the rows that are there get, in the source's text form.
 * - `compute`: a column that the destination computes by itself. - `own`: one of ours, beside the source's.
 */
export type SchemaStep =
  | { readonly kind: 'drop'; readonly column: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'retype'; readonly column: string; readonly typeSql: string; readonly values: 'cast' | 'void' | 'text' }
  | { readonly kind: 'add'; readonly column: string; readonly typeSql: string; readonly value: string | null }
  | { readonly kind: 'compute'; readonly column: string; readonly typeSql: string; readonly expression: string }
  | { readonly kind: 'own'; readonly column: MetadataColumn };

/** A column that gets another name. */
export interface Renaming {
  readonly from: string;
  readonly to: string;
}

/**
 * Renamings in an order in which no name is taken twice. Where names go round in a circle, one of them steps aside for a moment.
 * `taken`: every name of the table while they run.
 */
export function orderRenamings(renamings: readonly Renaming[], taken: readonly string[]): readonly SchemaStep[] {
  const names = new Set(taken);
  const steps: SchemaStep[] = [];
  const move = (from: string, to: string): void => {
    steps.push({ kind: 'rename', from, to });
    names.delete(from);
    names.add(to);
  };
  let waiting = renamings.filter(({ from, to }) => from !== to);
  while (waiting.length > 0) {
    const free = waiting.find(({ to }) => !names.has(to));
    if (free !== undefined) {
      move(free.from, free.to);
      waiting = waiting.filter((renaming) => renaming !== free);
      continue;
    }
    const [first, ...others] = waiting as [Renaming, ...Renaming[]];
    const aside = unusedName(names);
    move(first.from, aside);
    waiting = [...others, { from: aside, to: first.to }];
    // A name that somebody else's column holds never becomes free: the server says so.
    if (!others.some(({ to }) => to === first.from)) {
      for (const { from, to } of waiting) move(from, to);
      return steps;
    }
  }
  return steps;
}

function unusedName(names: ReadonlySet<string>): string {
  for (let n = 1; ; n++) {
    const name = `millrace_aside_${n}`;
    if (!names.has(name)) return name;
  }
}
