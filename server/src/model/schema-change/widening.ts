// Knows the changes of a column's type that leave every value as it is, so that nothing has to be read again.
import type { DestinationColumn, TypeRef } from '../destination-table.ts';

/**
 * Whether each value of `from` is the same value in `to`, as PostgreSQL sees it: these are the changes for which ALTER TABLE rewrites
 * nothing. Source: manual, "ALTER TABLE" (notes), and the planner support functions of the length coercions.
 */
export function isWidening(from: DestinationColumn, to: DestinationColumn): boolean {
  if (from.transfer !== 'same' || to.transfer !== 'same' || from.type.array !== to.type.array) return false;
  if (from.type.schema !== 'pg_catalog' || to.type.schema !== 'pg_catalog') return false;
  return from.type.name === to.type.name ? isWider(from.type, to.type) : isRelabelled(from.type, to.type);
}

/** `varchar` and `text` store the same bytes. The way back from `text` to a length has to look at every value. */
function isRelabelled(from: TypeRef, to: TypeRef): boolean {
  if (from.name === 'varchar' && to.name === 'text') return true;
  return from.name === 'text' && to.name === 'varchar' && to.typmod === NO_TYPMOD;
}

function isWider(from: TypeRef, to: TypeRef): boolean {
  if (from.typmod === to.typmod) return true;
  switch (from.name) {
    case 'varchar':
    case 'varbit':
    case 'time':
    case 'timetz':
    case 'timestamp':
    case 'timestamptz':
      return to.typmod === NO_TYPMOD || (from.typmod !== NO_TYPMOD && to.typmod > from.typmod);
    case 'numeric':
      return to.typmod === NO_TYPMOD || (from.typmod !== NO_TYPMOD && isWiderNumeric(from.typmod, to.typmod));
    default:
      return false;
  }
}

/** With another scale the same number prints with other digits. */
function isWiderNumeric(from: number, to: number): boolean {
  const [before, after] = [from - VARLENA_HEADER, to - VARLENA_HEADER];
  return (before & SCALE_BITS) === (after & SCALE_BITS) && after >>> PRECISION_SHIFT >= before >>> PRECISION_SHIFT;
}

const NO_TYPMOD = -1;
const VARLENA_HEADER = 4;
const SCALE_BITS = 0xffff;
const PRECISION_SHIFT = 16;
