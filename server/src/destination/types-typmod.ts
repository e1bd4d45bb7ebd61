// Puts a column's or an attribute's modifiers (length, precision, scale) onto the destination's twin of its type.
import { builtinModifiers, extensionModifiers, NO_TYPMOD } from './types-format.ts';
import { type RefusedType, refused, type UsableType } from './types-outcome.ts';
import { needsVersion } from './types-problem.ts';

export interface SourceModifiers {
  /** `atttypmod` or `typtypmod`; -1 for none. */
  readonly typmod: number;
  /** What `format_type` prints for the type with its modifiers, where the source sent it. */
  readonly formatted: string | undefined;
  /** `server_version_num` of the destination. */
  readonly versionNum: number;
}

/** `usable` with its modifiers, or the refusal when the destination is too old for them. */
export function withTypmod(usable: UsableType, source: SourceModifiers): UsableType | RefusedType {
  const { type } = usable;
  if (source.typmod === NO_TYPMOD || usable.via === 'text') return usable;
  if (type.schema !== 'pg_catalog') return { ...usable, type: { ...type, modifiers: extensionModifiers(source.formatted) } };
  const modifiers = builtinModifiers(type.name, source.typmod, source.versionNum);
  if (modifiers.kind === 'needs_version')
    return refused(needsVersion(`${type.name} with this scale`, modifiers.versionNum, source.versionNum));
  return { ...usable, type: { ...type, typmod: modifiers.text === '' ? NO_TYPMOD : source.typmod, modifiers: modifiers.text } };
}
