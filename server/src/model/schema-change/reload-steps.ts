// Decides how a destination table gets the columns of a reload, whose rows replace all that are there: nothing built on it should notice.
import type { DestinationColumn, DestinationTable } from '../destination-table.ts';
import { orderRenamings, type Renaming, type SchemaStep } from './steps.ts';

/** A column that the table has at this moment. */
export interface PresentColumn {
  readonly name: string;
  readonly generated: boolean;
  /** Whether it has the type that the planned column of its name (after renamings) has. */
  readonly hasTypeOf: (planned: DestinationColumn) => boolean;
}

/**
 * The steps from `present` to the planned table. `known`: the columns as the state has them, with their numbers at the source; null where
 * the source's table is another one than before, so that numbers mean nothing. Columns of ours beside the source's stay as they are.
 */
export function reloadSteps(
  present: readonly PresentColumn[],
  known: readonly DestinationColumn[] | null,
  planned: Pick<DestinationTable, 'columns' | 'metadata'>,
): readonly SchemaStep[] {
  const names = new Set(present.map((column) => column.name));
  const renamings = renamingsOf(names, known ?? [], planned.columns);
  const newName = new Map(renamings.map(({ from, to }) => [from, to]));
  const metadata = new Set(planned.metadata.map((column) => column.name));
  const wanted = new Map(planned.columns.map((column) => [column.name, column]));
  const drops: SchemaStep[] = [];
  const retypes: SchemaStep[] = [];
  const found = new Set<string>();
  for (const column of present) {
    const name = newName.get(column.name) ?? column.name;
    const target = wanted.get(name);
    if (target === undefined) {
      if (!metadata.has(name)) drops.push({ kind: 'drop', column: column.name });
      continue;
    }
    if (column.generated || target.transfer === 'generated') {
      if (column.generated && target.transfer === 'generated' && isSameExpression(known, target) && column.hasTypeOf(target))
        found.add(name);
      else drops.push({ kind: 'drop', column: column.name });
      continue;
    }
    found.add(name);
    if (!column.hasTypeOf(target))
      retypes.push({ kind: 'retype', column: name, typeSql: target.typeSql, values: target.notNull ? 'text' : 'void' });
  }
  const gone = new Set(drops.map((step) => (step.kind === 'drop' ? step.column : '')));
  const computed = new Set(present.filter((column) => column.generated).map((column) => column.name));
  const computedFirst = (step: SchemaStep): number => (step.kind === 'drop' && computed.has(step.column) ? 0 : 1);
  const missing = planned.columns.filter((column) => !found.has(column.name));
  return [
    ...drops.sort((a, b) => computedFirst(a) - computedFirst(b)),
    ...orderRenamings(
      renamings.filter(({ from }) => !gone.has(from)),
      [...names].filter((name) => !gone.has(name)),
    ),
    ...retypes,
    ...missing.filter((column) => column.transfer !== 'generated').map(addition),
    ...planned.metadata.filter((column) => !names.has(column.name)).map((column): SchemaStep => ({ kind: 'own', column })),
    ...missing.filter((column) => column.transfer === 'generated').map(addition),
  ];
}

/** Columns that kept their number and have another name now. */
function renamingsOf(
  names: ReadonlySet<string>,
  known: readonly DestinationColumn[],
  planned: readonly DestinationColumn[],
): readonly Renaming[] {
  const byNumber = new Map(planned.map((column) => [column.attnum, column]));
  const moved = known.flatMap((column) => {
    const target = column.transfer === 'retired' ? undefined : byNumber.get(column.attnum);
    return target === undefined || target.name === column.name || !names.has(column.name) ? [] : [{ from: column.name, to: target.name }];
  });
  return withoutTaken(moved, names);
}

/** A column that stands in the way can serve as well: all values are replaced. */
function withoutTaken(renamings: readonly Renaming[], names: ReadonlySet<string>): readonly Renaming[] {
  const leaving = new Set(renamings.map(({ from }) => from));
  const possible = renamings.filter(({ to }) => !names.has(to) || leaving.has(to));
  return possible.length === renamings.length ? possible : withoutTaken(possible, names);
}

function isSameExpression(known: readonly DestinationColumn[] | null, target: DestinationColumn): boolean {
  return known?.some((column) => column.name === target.name && column.expression === target.expression) ?? false;
}

function addition({ name, typeSql, transfer, expression }: DestinationColumn): SchemaStep {
  if (transfer === 'generated' && expression !== null) return { kind: 'compute', column: name, typeSql, expression };
  return { kind: 'add', column: name, typeSql, value: null };
}
