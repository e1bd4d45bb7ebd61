// The statement that takes away what refused a row, where the server's error says what that was.
import type { ServerErrorFields } from '../db/sql-error.ts';
import { type QualifiedName, quoteIdent, quoteName } from '../pg/ident.ts';
import { SqlState } from '../pg/sqlstate.ts';

/**
 * SQL for the destination, with what happens afterwards as a comment; null where the error does not say what stands in the way (an error
 * that a trigger raised). Nobody but its owner may decide to run it, so it is only shown. Source: PostgreSQL manual, "54.8. Error and
 * Notice Message Fields" (which errors carry a constraint, a column).
 */
export function fixOfRefusal(fields: Partial<ServerErrorFields>, table: QualifiedName): string | null {
  const statement = statementFor(fields, table);
  return statement === null ? null : `${statement}\n-- or mend the rows that stand in the way; the object then goes on by itself`;
}

function statementFor({ code, constraint, column }: Partial<ServerErrorFields>, table: QualifiedName): string | null {
  const name = quoteName(table);
  switch (code) {
    case SqlState.uniqueViolation:
    case EXCLUSION_VIOLATION:
      // A unique index may have no constraint, and a constraint's index can't be dropped by itself.
      return constraint === undefined
        ? null
        : `ALTER TABLE ${name} DROP CONSTRAINT IF EXISTS ${quoteIdent(constraint)}; DROP INDEX IF EXISTS ${quoteName({ ...table, name: constraint })};`;
    case SqlState.checkViolation:
    case SqlState.foreignKeyViolation:
      return constraint === undefined ? null : `ALTER TABLE ${name} DROP CONSTRAINT ${quoteIdent(constraint)};`;
    case SqlState.notNullViolation:
      return column === undefined ? null : `ALTER TABLE ${name} ALTER COLUMN ${quoteIdent(column)} DROP NOT NULL;`;
    case SqlState.undefinedColumn:
    case SqlState.undefinedTable:
      return `-- the table ${name} is not as Millrace made it: put it back, or load it again with millrace objects restart`;
    default:
      return null;
  }
}

const EXCLUSION_VIOLATION = '23P01';
