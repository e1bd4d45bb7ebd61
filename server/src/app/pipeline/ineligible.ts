// Says of tables that can't be objects why not, where somebody would otherwise miss their rows without knowing.
import { MillraceError } from '../../model/error.ts';
import type { ErrorName } from '../../model/error-catalogue.ts';
import { type IneligibleReason, objectLabel } from '../../model/table.ts';
import type { IneligibleRelation } from '../../source/eligibility.ts';
import type { PipelineSettings } from '../config/settings.ts';
import type { PipelineObserver } from './observer.ts';
import type { PipelinePlan } from './plan.ts';

/** The error that says what `relation` lacks and what would mend it. */
export function ineligibleError(relation: IneligibleRelation): MillraceError {
  const object = objectLabel(relation);
  const fix = relation.fix === '' ? undefined : relation.fix;
  return new MillraceError(nameOf(relation.reason), { cause: `${object}: ${relation.cause}`, fix, object, side: 'source' });
}

/**
 * Tells the observer of tables that the role reads but whose changes can't be followed whole, and of whatever the file asks for by name.
 * Views, partitions and tables that the role was never given are not worth a word each.
 */
export function reportIneligible(
  plan: Pick<PipelinePlan, 'ineligible'>,
  settings: Pick<PipelineSettings, 'objects' | 'defaultObjectState'>,
  observer: Pick<PipelineObserver, 'objectState'>,
): void {
  for (const relation of plan.ineligible) {
    const { schema, name } = relation;
    const listed = settings.objects.find((object) => object.schema === schema && object.name === name);
    const expected = listed?.include ?? (settings.defaultObjectState === 'included' && SURPRISING.has(relation.reason));
    if (expected) observer.objectState({ schema, name }, 'ineligible', ineligibleError(relation));
  }
}

const SURPRISING: ReadonlySet<IneligibleReason> = new Set(['row_level_security', 'unlogged_table', 'foreign_partition']);

function nameOf(reason: IneligibleReason): ErrorName {
  switch (reason) {
    case 'no_select_privilege':
      return 'select_missing';
    case 'row_level_security':
      return 'row_level_security';
    default:
      return 'not_replicable';
  }
}
