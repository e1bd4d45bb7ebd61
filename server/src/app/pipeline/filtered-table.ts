// Fits what the file asks for of an object to the table that the catalogue shows: the table as its filter lets it through, or why it can't.
import { didYouMean } from '@millrace/contract/did-you-mean';
import { fitName } from '../../destination/names.ts';
import { readExpression } from '../../destination/types-expression.ts';
import type { TableProblem } from '../../destination/types-table.ts';
import type { DestinationTable, ExcludedColumn } from '../../model/destination-table.ts';
import { becomesText, filterSignature, type Mask, needsText, type ObjectFilter, type TableFilter } from '../../model/object-filter.ts';
import type { SourceColumn, SourceTable } from '../../model/table.ts';
import { TypeOid } from '../../pg/oid.ts';

export type FilteredTable =
  /** `table`: with the columns that are brought, of the types that they come in. `excluded`: generated columns that can't be computed any more. */
  | {
      readonly kind: 'filtered';
      readonly table: SourceTable;
      readonly excluded: readonly ExcludedColumn[];
      readonly filter: TableFilter | null;
    }
  | { readonly kind: 'refused'; readonly table: SourceTable; readonly problems: readonly TableProblem[] };

/** `condition`: the filter's `where` as the server prints it. */
export function filterTable(table: SourceTable, filter: ObjectFilter | null, condition: string | null): FilteredTable {
  if (filter === null) return { kind: 'filtered', table, excluded: [], filter: null };
  const problems = [
    ...unknownColumns(table, filter),
    ...keyProblems(table, filter),
    ...generatedProblems(table, filter),
    ...nameProblems(table, filter),
  ];
  if (problems.length > 0) return { kind: 'refused', table, problems };
  const wanted = table.columns.filter((column) => isWanted(filter, column.name));
  const excluded = wanted.filter((column) => dependsOnHidden(table, filter, column));
  return {
    kind: 'filtered',
    table: { ...table, columns: wanted.filter((column) => !excluded.includes(column)).map((column) => shown(column, filter)) },
    excluded: excluded.map(({ name, attnum }) => ({ sourceName: name, attnum, reason: 'expression_uses_hidden_column' })),
    filter: {
      columns: filter.columns === null ? null : new Set(filter.columns),
      masks: filter.masks,
      known: new Set(table.columns.map((column) => column.name)),
      condition,
      signature: filterSignature(filter),
    },
  };
}

/** The planned table with its filter, so that everything that reads rows for it reads them through the filter. */
export function withFilter(table: DestinationTable, filtered: FilteredTable & { readonly kind: 'filtered' }): DestinationTable {
  const { filter, excluded } = filtered;
  if (filter === null) return table;
  return {
    ...table,
    filter,
    excluded: [...table.excluded, ...excluded],
    binarySafe: table.binarySafe && !needsText(filter),
  };
}

function isWanted({ columns }: ObjectFilter, name: string): boolean {
  return columns === null || columns.includes(name);
}

function shown(column: SourceColumn, { masks, renames }: ObjectFilter): SourceColumn {
  const renamed = renames.get(column.name);
  const mask = masks.get(column.name);
  return {
    ...column,
    ...(renamed === undefined ? {} : { renamed }),
    ...(becomesText(mask) ? { typeOid: TypeOid.text, typmod: -1, formatted: 'text', ownCollation: false } : {}),
  };
}

/** Whether the destination would compute a generated column of values that it does not have. */
function dependsOnHidden(table: SourceTable, filter: ObjectFilter, column: SourceColumn): boolean {
  if (column.generated === null) return false;
  const reading = readExpression(column.generated.expression);
  // What can't be read is excluded later, for that reason.
  if (reading.kind === 'unreadable') return false;
  return table.columns.some(({ name }) => reading.names.has(name) && (!isWanted(filter, name) || filter.masks.has(name)));
}

function unknownColumns(table: SourceTable, { columns, masks, renames }: ObjectFilter): readonly TableProblem[] {
  const known = new Set(table.columns.map((column) => column.name));
  const named = new Set([...(columns ?? []), ...masks.keys(), ...renames.keys()]);
  return [...named].flatMap((name): readonly TableProblem[] => {
    if (known.has(name)) return [];
    const near = didYouMean(name, known);
    const fix = near === null ? `The table's columns are: ${[...known].join(', ')}.` : `Did you mean ${near}?`;
    return [impossible(name, `the table has no column ${JSON.stringify(name)}`, fix)];
  });
}

/** Rows are found by their key: it must arrive, and two keys must stay two. */
function keyProblems(table: SourceTable, filter: ObjectFilter): readonly TableProblem[] {
  const identity = table.identity.kind === 'key' ? table.identity.columns : [];
  const leftOut = identity.filter((name) => !isWanted(filter, name));
  const unique = [...new Set([...identity, ...table.primaryKey])];
  const flattened = unique.filter((name) => FLATTENING.has(filter.masks.get(name)?.kind));
  return [
    ...leftOut.map((name) => {
      const cause = `the key column ${JSON.stringify(name)} is not among the object's columns`;
      return impossible(name, cause, `Add ${name} to \`columns\`, perhaps with \`mask: {${name}: sha256}\`.`);
    }),
    ...flattened.map((name) => {
      const cause = `the key column ${JSON.stringify(name)} is masked by one value for all rows`;
      return impossible(name, cause, `Use \`mask: {${name}: sha256}\`, which keeps different keys different.`);
    }),
  ];
}

const FLATTENING: ReadonlySet<Mask['kind'] | undefined> = new Set(['null', 'fixed'] as const);

function generatedProblems(table: SourceTable, { masks }: ObjectFilter): readonly TableProblem[] {
  const generated = table.columns.filter((column) => column.generated !== null && masks.has(column.name));
  return generated.map(({ name }) => {
    const cause = `the generated column ${JSON.stringify(name)} is masked, but the source does not send its values`;
    return impossible(name, cause, `Mask the columns that ${name} is made of, or leave it out by \`columns\`.`);
  });
}

function nameProblems(table: SourceTable, filter: ObjectFilter): readonly TableProblem[] {
  const taken = new Map<string, string>();
  return table.columns.flatMap(({ name }): readonly TableProblem[] => {
    if (!isWanted(filter, name)) return [];
    const target = fitName(filter.renames.get(name) ?? name);
    const other = taken.get(target);
    taken.set(target, name);
    if (other === undefined) return [];
    const cause = `the columns ${JSON.stringify(other)} and ${JSON.stringify(name)} would both be named ${JSON.stringify(target)}`;
    return [impossible(name, cause, 'Give each another name by `rename`.')];
  });
}

function impossible(column: string, cause: string, fix: string): TableProblem {
  return { errorName: 'filter_impossible', column, cause, fix };
}
