// Lets the server itself refuse to go on when a statement changed too few or too many rows, so that a COMMIT may follow without waiting.
import { MillraceError } from '../model/error.ts';

/** What a wrong number of rows means. */
export type Miscount = 'fenced' | 'row_missing';

/** `change` (an INSERT, UPDATE or DELETE without RETURNING), failing unless it changes exactly `rows` rows; see `miscountOf`. */
export function exactly(change: string, rows: number, meaning: Miscount): string {
  return `WITH changed AS (${change} RETURNING 1)
    SELECT CASE WHEN pg_catalog.count(*) = ${Math.trunc(rows)} THEN 0
      ELSE pg_catalog.concat('${MARK} ${meaning} ', pg_catalog.count(*))::pg_catalog.int4 END
    FROM changed`;
}

/** What our own guard said, and how many rows it counted; null for every other error. The words around ours are the server's, translated. */
export function miscountOf(error: unknown): { readonly meaning: Miscount; readonly rows: number } | null {
  if (!(error instanceof MillraceError) || error.facts.sqlstate !== INVALID_TEXT_REPRESENTATION) return null;
  const said = (error.cause as { message?: unknown } | undefined)?.message;
  const match = typeof said === 'string' ? GUARD_TEXT.exec(said) : null;
  if (match === null) return null;
  return { meaning: match[1] === 'fenced' ? 'fenced' : 'row_missing', rows: Number(match[2]) };
}

const MARK = 'millrace guard:';
const GUARD_TEXT = /"millrace guard: (fenced|row_missing) (\d{1,15})"/;
const INVALID_TEXT_REPRESENTATION = '22P02';
