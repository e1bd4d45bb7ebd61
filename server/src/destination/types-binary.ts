// Decides whether a table's values mean the same in binary form at both servers: some binary forms carry OIDs of the server they left.
import type { SourceType } from '../model/table.ts';
import { TEXT_TYPES } from '../model/type-refusals.ts';
import { nameKey } from './names.ts';
import type { DestinationTypes } from './types-existing.ts';

/**
 * Whether every column can travel in binary form. False as soon as one type, at any depth,
 * - is kept as text at the destination (its binary form is an OID),
 * - lacks a send or receive function at either side, or can't receive all that it sends,
 * - is an interval on its way to a server that takes an infinite one for a finite one, or
 * - stands inside an array or a composite with an OID that is not the same on every server: `array_send` and `record_send` write
 *   the element's or attribute's OID, and the receiver compares it. (Enums alone are sent as labels, ranges as their bounds.)
 */
export function binarySafe(
  columns: readonly { readonly typeOid: number }[],
  types: ReadonlyMap<number, SourceType>,
  destination: DestinationTypes,
  sourceVersionNum: number,
): boolean {
  const misread = misreadInBinary({ sourceVersionNum, destinationVersionNum: destination.versionNum });
  const verdicts = new Map<number, boolean>();
  const safe = (oid: number): boolean => {
    const known = verdicts.get(oid);
    if (known !== undefined) return known;
    // Holds while the type is being looked at: a type that is made of itself is never safe.
    verdicts.set(oid, false);
    const type = types.get(oid);
    const verdict = type !== undefined && !misread(type) && ownFormSafe(type, destination) && partsSafe(type, safe);
    verdicts.set(oid, verdict);
    return verdict;
  };
  return columns.every((column) => safe(column.typeOid));
}

/** `server_version_num` of both ends. */
export interface ServerPair {
  readonly sourceVersionNum: number;
  readonly destinationVersionNum: number;
}

/**
 * The columns whose text form says another value at the destination, without an error: from 16 on a `"char"` above 127 is printed as an
 * octal escape, of which older servers read the backslash alone. Their binary form is the same everywhere.
 */
export function columnsThatNeedBinary<C extends { readonly typeOid: number }>(
  columns: readonly C[],
  types: ReadonlyMap<number, SourceType>,
  { sourceVersionNum, destinationVersionNum }: ServerPair,
): readonly C[] {
  if (sourceVersionNum < CHAR_ESCAPED_SINCE || destinationVersionNum >= CHAR_ESCAPED_SINCE) return [];
  const seen = new Set<number>();
  const holdsChar = (oid: number): boolean => {
    const type = types.get(oid);
    if (type === undefined || seen.has(oid)) return false;
    if (type.schema === 'pg_catalog' && type.name === 'char') return true;
    seen.add(oid);
    return holdsChar(type.elementOid) || type.attributes.some((attribute) => holdsChar(attribute.typeOid));
  };
  return columns.filter((column) => {
    seen.clear();
    return holdsChar(column.typeOid);
  });
}

const CHAR_ESCAPED_SINCE = 160_000;

/** OIDs below this are fixed in PostgreSQL's source. Source: `FirstGenbkiObjectId` in `access/transam.h`. */
const FIRST_UNPINNED_OID = 10_000;

/**
 * Built-in types whose receive function refuses what the send function wrote for the empty value: `int2vector_recv` and `oidvectorrecv`
 * want one dimension where an empty array has none, `tsqueryrecv` wants an operand.
 */
const EMPTY_NOT_RECEIVED: ReadonlySet<string> = new Set(['int2vector', 'oidvector', 'tsquery']);

/**
 * From 17 on an interval can be infinite. Its binary form is that of the largest finite one, and older servers read it so without a word;
 * as text they refuse it.
 */
function misreadInBinary({ sourceVersionNum, destinationVersionNum }: ServerPair): (type: SourceType) => boolean {
  const mayBeInfinite = sourceVersionNum >= INTERVAL_INFINITE_SINCE && destinationVersionNum < INTERVAL_INFINITE_SINCE;
  return (type) => mayBeInfinite && type.schema === 'pg_catalog' && type.name === 'interval';
}

const INTERVAL_INFINITE_SINCE = 170_000;

function ownFormSafe(type: SourceType, destination: DestinationTypes): boolean {
  if (type.kind === 'pseudo') return false;
  if (type.schema === 'pg_catalog' && (TEXT_TYPES.has(type.name) || EMPTY_NOT_RECEIVED.has(type.name))) return false;
  if (type.kind !== 'base') return true;
  if (!type.hasBinary) return false;
  if (type.extension !== null) return destination.extensions.get(nameKey({ schema: type.extension, name: type.name }))?.hasBinary === true;
  // A base type that users made: nothing proves that the code behind the name is the same.
  return type.schema === 'pg_catalog';
}

function partsSafe(type: SourceType, safe: (oid: number) => boolean): boolean {
  switch (type.kind) {
    case 'array':
      return type.elementOid < FIRST_UNPINNED_OID && safe(type.elementOid);
    case 'composite':
      return type.attributes.every((attribute) => attribute.typeOid < FIRST_UNPINNED_OID && safe(attribute.typeOid));
    case 'domain':
    case 'range':
    case 'multirange':
      return safe(type.elementOid);
    case 'base':
    case 'enum':
      return true;
    case 'pseudo':
      return false;
  }
}
