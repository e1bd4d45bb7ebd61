// What the file says of an object's columns, masks, names and rows, as settings: shorter than a whole file for each test.
import { type ObjectSettings, PLAIN_OBJECT } from '../../src/app/config/settings.ts';
import { Secret } from '../../src/lib/secret.ts';
import type { Mask, ObjectFilter } from '../../src/model/object-filter.ts';

export const SALT = 'the salt of the scenarios';
export const SHA256: Mask = { kind: 'sha256', salt: new Secret(SALT) };

export interface FilterParts {
  readonly columns?: readonly string[];
  readonly masks?: Readonly<Record<string, Mask>>;
  readonly renames?: Readonly<Record<string, string>>;
  readonly where?: string;
}

/** The object `name` of schema `public`. */
export function filteredObject(name: string, parts: FilterParts): ObjectSettings {
  return { ...PLAIN_OBJECT, schema: 'public', name, filter: objectFilter(parts) };
}

function objectFilter({ columns, masks = {}, renames = {}, where }: FilterParts): ObjectFilter {
  return {
    columns: columns ?? null,
    masks: new Map(Object.entries(masks)),
    renames: new Map(Object.entries(renames)),
    where: where ?? null,
  };
}
