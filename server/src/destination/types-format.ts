// Writes a type as SQL text that means exactly one type whatever the session's settings: qualified, quoted, with its modifiers.
import type { TypeRef } from '../model/destination-table.ts';
import { quoteName } from '../pg/ident.ts';

/** A type as DDL and casts say it, e.g. `"pg_catalog"."numeric"(10,2)[]`. */
export function typeSql(type: TypeRef): string {
  return `${quoteName(type)}${type.modifiers}${type.array ? '[]' : ''}`;
}

/** A reference without modifiers. */
export function plainRef(schema: string, name: string): TypeRef {
  return { schema, name, array: false, typmod: NO_TYPMOD, modifiers: '' };
}

/** What `attypmod` says when a type has no modifiers. */
export const NO_TYPMOD = -1;

/** How a built-in type's modifiers read, or that they need a newer server. */
export type Modifiers = { readonly kind: 'text'; readonly text: string } | { readonly kind: 'needs_version'; readonly versionNum: number };

/**
 * The modifiers of a built-in type in parentheses, the inverse of its `typmodin` function; empty for a type that has none. The type's
 * catalogue name takes them as plain numbers, `interval` too (a mask of fields, then the precision), so no special syntax is needed.
 * Source: the `…typmodout` functions of PostgreSQL and manual "8.1.2" (negative scales are PostgreSQL 15 and later).
 */
export function builtinModifiers(typeName: string, typmod: number, versionNum: number): Modifiers {
  if (typmod < 0) return text('');
  switch (typeName) {
    case 'bpchar':
    case 'varchar':
      return text(`(${typmod - VARLENA_HEADER})`);
    case 'bit':
    case 'varbit':
    case 'time':
    case 'timetz':
    case 'timestamp':
    case 'timestamptz':
      return text(`(${typmod})`);
    case 'numeric':
      return numericModifiers(typmod - VARLENA_HEADER, versionNum);
    case 'interval':
      return intervalModifiers(typmod);
    default:
      return text('');
  }
}

/**
 * The modifiers at the end of what `format_type` printed for an extension's type, e.g. `(Point,4326)` of `public.geometry(Point,4326)`;
 * empty where there are none or they hold anything but words and numbers (a modifier only restricts values that the source has
 * checked already, so leaving it out changes none).
 */
export function extensionModifiers(formatted: string | undefined): string {
  return /(\([A-Za-z0-9_., -]*\))(?:\[\])*$/.exec(formatted ?? '')?.[1] ?? '';
}

const VARLENA_HEADER = 4;
const NEGATIVE_SCALES_SINCE = 150_000;
const SCALE_MASK = 0x7ff;
const SCALE_SIGN = 0x400;
const INTERVAL_FULL_PRECISION = 0xffff;

function text(value: string): Modifiers {
  return { kind: 'text', text: value };
}

function numericModifiers(packed: number, versionNum: number): Modifiers {
  const precision = packed >>> 16;
  const scale = ((packed & SCALE_MASK) ^ SCALE_SIGN) - SCALE_SIGN;
  if ((scale < 0 || scale > precision) && versionNum < NEGATIVE_SCALES_SINCE) {
    return { kind: 'needs_version', versionNum: NEGATIVE_SCALES_SINCE };
  }
  return text(`(${precision},${scale})`);
}

function intervalModifiers(typmod: number): Modifiers {
  const precision = typmod & INTERVAL_FULL_PRECISION;
  const fields = typmod >>> 16;
  return text(precision === INTERVAL_FULL_PRECISION ? `(${fields})` : `(${fields},${precision})`);
}
