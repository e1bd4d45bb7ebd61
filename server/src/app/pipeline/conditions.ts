// Finds out for every object with a `where` what the source makes of it, so that plan, publication and load use the same words.
import type { PgSession } from '../../db/session.ts';
import { nameKey } from '../../destination/names.ts';
import type { ObjectRecord } from '../../destination/state-records.ts';
import { filterPart } from '../../model/destination-table.ts';
import { filterSignature } from '../../model/object-filter.ts';
import type { SourceTable } from '../../model/table.ts';
import type { CatalogueSnapshot } from '../../source/catalog.ts';
import type { PublicationState } from '../../source/publication-plan.ts';
import { type ConditionVerdict, judgeCondition } from '../../source/row-condition.ts';
import { filterOf, type PipelineSettings } from '../config/settings.ts';

export interface ConditionInput {
  readonly source: PgSession;
  readonly settings: Pick<PipelineSettings, 'objects'>;
  readonly catalogue: CatalogueSnapshot;
  /** The pipeline's publications. */
  readonly states: readonly PublicationState[];
  readonly known: ReadonlyMap<string, ObjectRecord>;
}

/** Verdicts by `nameKey`, for the objects that have a condition. Throws `source_blocked`. */
export async function judgeConditions(input: ConditionInput): Promise<ReadonlyMap<string, ConditionVerdict>> {
  const { source, settings, catalogue, states, known } = input;
  const verdicts = new Map<string, ConditionVerdict>();
  const skipped = new Set(settings.objects.filter((object) => !object.include).map(nameKey));
  for (const table of catalogue.tables) {
    const filter = filterOf(settings, table);
    if (filter === null || filter.where === null || skipped.has(nameKey(table))) continue;
    const record = known.get(nameKey(table));
    // Under another text than the file's now, or for another table, it says nothing.
    const isSame = record?.sourceOid === table.oid && filterPart(record.layout) === filterSignature(filter);
    const request = { table, where: filter.where, loadedAs: isSame ? record.published : null };
    verdicts.set(nameKey(table), await judgeCondition(source, { version: catalogue.version, states }, request));
  }
  return verdicts;
}

/** The tables with their conditions, where those are sound. */
export function withConditions(tables: readonly SourceTable[], verdicts: ReadonlyMap<string, ConditionVerdict>): readonly SourceTable[] {
  return tables.map((table) => {
    const verdict = verdicts.get(nameKey(table));
    return verdict?.kind === 'sound' ? { ...table, condition: verdict.condition } : table;
  });
}

/** The condition that the table is published with; null: all rows are. */
export function publishedCondition(states: readonly PublicationState[], { oid }: { readonly oid: number }): string | null {
  const members = states.flatMap((state) => state.members.filter((member) => member.oid === oid));
  return members.find((member) => (member.condition ?? null) !== null)?.condition ?? null;
}
