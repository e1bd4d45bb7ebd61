// Says of tables that can't be objects why not, where somebody would otherwise miss their rows without knowing.
import type { ObjectRecord } from '../../destination/state-records.ts';
import { MillraceError } from '../../model/error.ts';
import type { ErrorName } from '../../model/error-catalogue.ts';
import { type IneligibleReason, objectLabel } from '../../model/table.ts';
import type { IneligibleRelation } from '../../source/eligibility.ts';
import type { PipelineSettings } from '../config/settings.ts';
import { desiredOf, type PipelinePlan } from './plan.ts';

/** The error that says what `relation` lacks and what would mend it. */
export function ineligibleError(relation: IneligibleRelation): MillraceError {
  const object = objectLabel(relation);
  const fix = relation.fix === '' ? undefined : relation.fix;
  return new MillraceError(nameOf(relation.reason), { cause: `${object}: ${relation.cause}`, fix, object, side: 'source' });
}

/**
 * Relations that the pipeline would include if they could be objects: tables whose rows somebody would miss, and whatever the file asks
 * for by name. Views and partitions are not worth a word each.
 */
export function missedRelations(
  plan: Pick<PipelinePlan, 'ineligible'>,
  settings: Pick<PipelineSettings, 'objects' | 'includeNewTables' | 'defaultObjectState'>,
  records: readonly ObjectRecord[],
): readonly MissedRelation[] {
  const known = new Map(records.map((record) => [objectLabel(record.source), record]));
  return plan.ineligible.flatMap((relation) => {
    const isNamed = settings.objects.some(({ schema, name, include }) => include && schema === relation.schema && name === relation.name);
    const record = known.get(objectLabel(relation)) ?? null;
    const desired = desiredOf(settings, relation, { record, isFirstRun: records.length === 0 });
    if (desired !== 'included' || !(isNamed || SURPRISING.has(relation.reason))) return [];
    return [{ relation, isNamed, isNew: record === null }];
  });
}

export interface MissedRelation {
  readonly relation: IneligibleRelation;
  /** Whether the file asks for it by name. */
  readonly isNamed: boolean;
  /** Whether the state does not know of it yet. */
  readonly isNew: boolean;
}

const SURPRISING: ReadonlySet<IneligibleReason> = new Set([
  'no_select_privilege',
  'row_level_security',
  'unlogged_table',
  'foreign_partition',
]);

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
