// Puts a change of columns into words: what came, went, was renamed or got another type.
import type { DestinationColumn } from '../destination-table.ts';
import { isOfType, type StreamColumn } from './align.ts';
import { isStreamed } from './decide.ts';

/** e.g. `added: w; gone: v`. By names alone: a renamed column went and came. */
export function describeColumns(known: readonly DestinationColumn[], stream: readonly StreamColumn[]): string {
  const former = new Map(known.filter(isStreamed).map((column) => [column.sourceName, column]));
  const found = new Map(stream.map((column) => [column.name, column]));
  const added = [...found.keys()].filter((name) => !former.has(name));
  const gone = [...former.keys()].filter((name) => !found.has(name));
  const changed = [...found.values()].flatMap((column) => {
    const before = former.get(column.name);
    return before === undefined || isOfType(column, before)
      ? []
      : [{ name: column.name, isRetyped: before.sourceTypeOid !== column.typeOid }];
  });
  const retyped = changed.filter(({ isRetyped }) => isRetyped).map(({ name }) => name);
  const resized = changed.filter(({ isRetyped }) => !isRetyped).map(({ name }) => name);
  const parts = [
    ...(added.length > 0 ? [`added: ${added.join(', ')}`] : []),
    ...(gone.length > 0 ? [`gone: ${gone.join(', ')}`] : []),
    ...(retyped.length > 0 ? [`of another type: ${retyped.join(', ')}`] : []),
    ...(resized.length > 0 ? [`of another length or precision: ${resized.join(', ')}`] : []),
  ];
  return parts.join('; ') || 'another order';
}
