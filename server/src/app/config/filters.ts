// Reads which part of a table an object brings: its columns, masks, new names and condition, and the salt of the pipeline's hashes.
import type { FileObject, FilePipeline } from '@millrace/contract/file';
import { readExpression } from '../../destination/types-expression.ts';
import { Secret } from '../../lib/secret.ts';
import type { Mask, ObjectFilter } from '../../model/object-filter.ts';
import type { Place } from './place.ts';

/** The pipeline's salt, or null where no mask needs one. Problems go to `place`. */
export function readMaskSalt(raw: FilePipeline, place: Place): Secret | null {
  const hashed = Object.entries(raw.objects ?? {}).find(([, object]) => Object.values(object.mask ?? {}).includes('sha256'));
  if (raw.mask_salt === undefined) {
    if (hashed !== undefined)
      place
        .inside('objects', hashed[0])
        .problem(
          'mask',
          'mask: sha256 needs a salt',
          'add a line such as `mask_salt: ${MASK_SALT}` to the pipeline, and keep the salt secret',
        );
    return null;
  }
  if (hashed === undefined) place.warn('mask_salt', 'mask_salt is not used', 'no object has a mask: sha256; remove the line');
  if ([...raw.mask_salt].length < MIN_SALT_CHARS)
    place.problem(
      'mask_salt',
      `mask_salt has fewer than ${MIN_SALT_CHARS} characters`,
      'a short salt can be guessed; take `openssl rand -hex 32`',
    );
  return new Secret(raw.mask_salt);
}

/** The object's filter, or null where it brings everything as it is. Problems go to `place`. */
export function readFilter(object: FileObject, salt: Secret | null, place: Place): ObjectFilter | null {
  const columns = object.columns ?? null;
  const masks = readMasks(object, salt);
  const renames = new Map(Object.entries(object.rename ?? {}));
  refuseTwins(columns, place);
  for (const key of ['mask', 'rename'] as const) {
    for (const column of Object.keys(object[key] ?? {})) {
      if (columns === null || columns.includes(column)) continue;
      const message = `${JSON.stringify(column)} is not among the object's columns`;
      place.inside(key).problem(column, message, 'add it to columns, or remove the line');
    }
  }
  refuseEqualNames(renames, place.inside('rename'));
  const where = readCondition(object, place);
  if (columns === null && masks.size === 0 && renames.size === 0 && where === null) return null;
  return { columns, masks, renames, where };
}

/** Random salts are longer; this only keeps out what people make up. */
const MIN_SALT_CHARS = 16;

function readMasks(object: FileObject, salt: Secret | null): ReadonlyMap<string, Mask> {
  const masks = Object.entries(object.mask ?? {}).map(([column, mask]): [string, Mask] => {
    if (mask === null) return [column, { kind: 'null' }];
    // Without a salt there is a problem already, and these settings go nowhere.
    if (mask === 'sha256') return [column, { kind: 'sha256', salt: salt ?? new Secret('') }];
    return [column, { kind: 'fixed', text: mask.fixed }];
  });
  return new Map(masks);
}

/** Nothing may lead out of the parentheses that the text is put into; whether it makes sense is the server's to say. */
function readCondition({ where }: FileObject, place: Place): string | null {
  if (where === undefined) return null;
  if (readExpression(where).kind === 'unreadable')
    place.problem(
      'where',
      'where is not one closed expression',
      'write one condition without ; or comments, with every quote and bracket closed',
    );
  return where.trim();
}

function refuseTwins(columns: readonly string[] | null, place: Place): void {
  const seen = new Set<string>();
  for (const [index, column] of (columns ?? []).entries()) {
    if (seen.has(column)) place.inside('columns').problem(String(index), `${JSON.stringify(column)} stands in columns twice`, 'remove one');
    seen.add(column);
  }
}

function refuseEqualNames(renames: ReadonlyMap<string, string>, place: Place): void {
  const taken = new Map<string, string>();
  for (const [column, name] of renames) {
    const other = taken.get(name);
    if (other !== undefined) {
      const message = `${JSON.stringify(other)} and ${JSON.stringify(column)} are both renamed to ${JSON.stringify(name)}`;
      place.problem(column, message, 'give each a name of its own');
    }
    if (SYSTEM_COLUMNS.has(name)) place.problem(column, `${JSON.stringify(name)} is the name of a system column`, 'choose another name');
    taken.set(name, column);
  }
}

/** No table can have a column of these names. Source: PostgreSQL manual, "5.6. System Columns". */
const SYSTEM_COLUMNS: ReadonlySet<string> = new Set(['tableoid', 'xmin', 'cmin', 'xmax', 'cmax', 'ctid']);
