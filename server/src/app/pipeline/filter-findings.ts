// Says in the preflight what the file's filters come to, so that nobody has to look at the destination to find out what is hidden.
import type { DestinationTable } from '../../model/destination-table.ts';
import { type Finding, passed } from '../../model/finding.ts';
import type { TableFilter } from '../../model/object-filter.ts';
import { objectLabel } from '../../model/table.ts';
import type { PlannedObject } from './plan.ts';

/** One finding for each object whose filter fits its table. Those that do not fit are refused, which is told as any other refusal. */
export function filterFindings(objects: readonly PlannedObject[]): readonly Finding[] {
  return objects.flatMap(({ source, outcome }): readonly Finding[] => {
    if (outcome.kind === 'refused' || outcome.table.filter === undefined) return [];
    const label = objectLabel(source);
    return [{ ...passed('object_filter', `${label}: ${describe(outcome.table, outcome.table.filter)}`), object: label }];
  });
}

function describe(table: DestinationTable, filter: TableFilter): string {
  const masked = [...filter.masks].map(([column, mask]) => `${column} by ${mask.kind}`);
  const renamed = table.columns
    .filter((column) => column.name !== column.sourceName)
    .map((column) => `${column.sourceName} to ${column.name}`);
  const parts = [
    `${table.columns.length} of ${filter.known.size} columns`,
    ...(masked.length === 0 ? [] : [`masked: ${masked.join(', ')}`]),
    ...(renamed.length === 0 ? [] : [`renamed: ${renamed.join(', ')}`]),
    ...(filter.condition === null ? [] : [`rows: ${filter.condition}`]),
    ...hidden(table),
  ];
  return parts.join('; ');
}

function hidden({ excluded }: DestinationTable): readonly string[] {
  const names = excluded.filter(({ reason }) => reason === 'expression_uses_hidden_column').map(({ sourceName }) => sourceName);
  return names.length === 0 ? [] : [`left out, because hidden columns are needed for them: ${names.join(', ')}`];
}
