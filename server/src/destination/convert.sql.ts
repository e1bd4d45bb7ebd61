// The expressions that make the values of a mapped type. They name nothing but PostgreSQL's own functions, so no code of users runs.
import type { ColumnConversion } from '../model/destination-table.ts';
import { quoteLiteral } from '../pg/ident.ts';

/** `value`, an expression of the type that values are staged in, as the column's type. */
export function convertedValue(conversion: ColumnConversion, value: string): string {
  const { form, nulls } = conversion;
  if (form === 'array' || form === 'value') return `pg_catalog.to_jsonb(${value})`;
  const text = textOf(conversion, value);
  const result = `${text}::pg_catalog.${form === 'number' ? 'numeric' : 'jsonb'}`;
  return nulls ? `CASE WHEN NOT ${unconvertible(conversion, value)} THEN ${result} END` : result;
}

/**
 * The text of what `value`, of the source's own type, has become at the destination. `text` is what its output function prints; none of
 * the two is NULL. NULL where the destination has NULL in its place.
 */
export function convertedText(conversion: ColumnConversion, { value, text }: { readonly value: string; readonly text: string }): string {
  const { form, nulls } = conversion;
  if (form === 'number') {
    // A server before 14 knows no infinite numeric.
    return `CASE WHEN ${unconvertible(conversion, text)} THEN ${nulls ? 'NULL' : text} ELSE pg_catalog.concat(${text}::pg_catalog.numeric) END`;
  }
  const staged = form === 'json' ? text : form === 'array' ? `${text}::pg_catalog.text[]` : value;
  const printed = `pg_catalog.concat(${convertedValue({ ...conversion, nulls: false }, staged)})`;
  return nulls ? `CASE WHEN NOT ${unconvertible({ ...conversion, needsHelper: false }, staged)} THEN ${printed} END` : printed;
}

/** Whether `value` has no counterpart in the column's type; of conversions that tell. Not true of NULL. */
function unconvertible(conversion: ColumnConversion, value: string): string {
  const text = textOf(conversion, value);
  if (conversion.form === 'number') return `(${text} IN ('Infinity', '-Infinity'))`;
  return conversion.needsHelper === true ? `(NOT ${HELPER}(${text}))` : `(NOT pg_catalog.pg_input_is_valid(${text}, 'pg_catalog.jsonb'))`;
}

/** Whether `conversion` asks for the function that `CREATE_HELPER` makes. */
export function asksHelper({ nulls, needsHelper }: ColumnConversion): boolean {
  return nulls && needsHelper === true;
}

/**
 * Says of a text whether it can become jsonb, on servers that have no function for it. It lives as long as the session's other temporary
 * things, and every call of it is a subtransaction.
 */
export const CREATE_HELPER = `
  CREATE OR REPLACE FUNCTION pg_temp.millrace_reads_as_jsonb(value pg_catalog.text) RETURNS pg_catalog.bool
  LANGUAGE plpgsql STRICT AS $$
  BEGIN
    PERFORM value::pg_catalog.jsonb;
    RETURN true;
  EXCEPTION WHEN data_exception THEN
    RETURN false;
  END $$`;

/** The value of the column for notes: one for each of `fields` whose value became NULL. */
export function notesOf(
  fields: readonly { readonly field: string; readonly conversion: ColumnConversion; readonly value: string }[],
): string {
  const notes = fields.map(({ field, conversion, value }) => {
    const note = JSON.stringify({ field, change: 'NULLED', reason: 'DESTINATION_TYPECAST_ERROR' });
    return `CASE WHEN ${unconvertible(conversion, value)} THEN ${quoteLiteral(note)}::pg_catalog.jsonb END`;
  });
  const list = `pg_catalog.array_remove(ARRAY[${notes.join(', ')}]::pg_catalog.jsonb[], NULL)`;
  return `pg_catalog.jsonb_build_object('changes', pg_catalog.to_jsonb(${list}))`;
}

/** The notes that stay when only `fields` were written: those of others in `before`, and all of `now`. */
export function mergedNotes(fields: readonly string[], { before, now }: { readonly before: string; readonly now: string }): string {
  const written = `ARRAY[${fields.map(quoteLiteral).join(', ')}]::pg_catalog.text[]`;
  return `pg_catalog.jsonb_build_object('changes', coalesce((
      SELECT pg_catalog.jsonb_agg(note) FROM pg_catalog.jsonb_array_elements(${before} -> 'changes') AS note
      WHERE note ->> 'field' <> ALL (${written})), '[]'::pg_catalog.jsonb) || (${now} -> 'changes'))`;
}

const HELPER = 'pg_temp.millrace_reads_as_jsonb';

function textOf({ form }: ColumnConversion, value: string): string {
  return form === 'document' ? `pg_catalog.to_json(${value})::pg_catalog.text` : value;
}
