// Which part of a table an object brings, and in which form: columns that are left out, masked or renamed, and the condition of its rows.
import { createHash } from 'node:crypto';
import type { Secret } from '../lib/secret.ts';

/**
 * What stands in the place of a column's values.
 * - `null`: always NULL. - `fixed`: always this text, for NULL too.
 * - `sha256`: the hexadecimal digest of the salt and the value's text form, both in UTF-8; NULL stays NULL.
 */
export type Mask =
  | { readonly kind: 'null' }
  | { readonly kind: 'fixed'; readonly text: string }
  | { readonly kind: 'sha256'; readonly salt: Secret };

/** What the file asks for. Columns go by their names at the source. */
export interface ObjectFilter {
  /** The columns to bring; null: all. */
  readonly columns: readonly string[] | null;
  readonly masks: ReadonlyMap<string, Mask>;
  /** Names at the destination by names at the source. */
  readonly renames: ReadonlyMap<string, string>;
  /** Only rows for which this is true, as the file writes it; null: all. */
  readonly where: string | null;
}

/** A filter with what the catalogue said when the object was planned. */
export interface TableFilter {
  readonly columns: ReadonlySet<string> | null;
  readonly masks: ReadonlyMap<string, Mask>;
  /** Every column that the source's table had: of others nobody has said yet whether they may be seen. */
  readonly known: ReadonlySet<string>;
  /** The condition as the server prints it; null: all rows. */
  readonly condition: string | null;
  readonly signature: string;
}

/** Whether a masked column becomes text at the destination, whatever it is at the source. */
export function becomesText(mask: Mask | undefined): boolean {
  return mask?.kind === 'fixed' || mask?.kind === 'sha256';
}

/** Whether values are hashed, which is done with their text: such a table can't go in binary form. */
export function needsText(filter: Pick<ObjectFilter, 'masks'> | null): boolean {
  return filter !== null && [...filter.masks.values()].some((mask) => mask.kind === 'sha256');
}

/** The salt of the filters' hashes; null where none hashes. */
export function saltOf(filters: Iterable<Pick<ObjectFilter, 'masks'> | null>): Secret | null {
  for (const filter of filters) {
    for (const mask of filter?.masks.values() ?? []) if (mask.kind === 'sha256') return mask.salt;
  }
  return null;
}

/** A text that two filters share if and only if they bring the same rows. It says no salt, only a digest of it. */
export function filterSignature(filter: ObjectFilter): string {
  return JSON.stringify({
    columns: filter.columns === null ? null : filter.columns.toSorted(),
    masks: sortedEntries(filter.masks).map(([column, mask]) => [column, mask.kind, ...details(mask)]),
    renames: sortedEntries(filter.renames),
    where: filter.where,
  });
}

function details(mask: Mask): readonly string[] {
  switch (mask.kind) {
    case 'null':
      return [];
    case 'fixed':
      return [mask.text];
    case 'sha256':
      return [createHash('sha256').update('millrace mask salt\0').update(mask.salt.reveal()).digest('hex').slice(0, 16)];
  }
}

function sortedEntries<T>(map: ReadonlyMap<string, T>): readonly (readonly [string, T])[] {
  return [...map].toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}
