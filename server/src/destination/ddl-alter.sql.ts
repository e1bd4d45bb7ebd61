// The statements by which a destination table follows its source. All names quoted and qualified; a value is a literal of its type.
import type { SchemaStep } from '../model/schema-change/steps.ts';
import { type QualifiedName, quoteIdent, quoteLiteral, quoteName } from '../pg/ident.ts';

/** The statements of one step, in their order. */
export function stepStatements(table: QualifiedName, step: SchemaStep): readonly string[] {
  const alter = `ALTER TABLE ${quoteName(table)}`;
  switch (step.kind) {
    case 'drop':
      return [`${alter} DROP COLUMN ${quoteIdent(step.column)}`];
    case 'rename':
      return [`${alter} RENAME COLUMN ${quoteIdent(step.from)} TO ${quoteIdent(step.to)}`];
    case 'retype': {
      const column = quoteIdent(step.column);
      const using = { cast: '', void: ` USING NULL::${step.typeSql}`, text: ` USING ${column}::pg_catalog.text::${step.typeSql}` };
      return [`${alter} ALTER COLUMN ${column} TYPE ${step.typeSql}${using[step.values]}`];
    }
    case 'add': {
      const column = quoteIdent(step.column);
      if (step.value === null) return [`${alter} ADD COLUMN ${column} ${step.typeSql}`];
      // The default of a moment: it is kept for the rows that are there, as at the source, and no row is written.
      return [
        `${alter} ADD COLUMN ${column} ${step.typeSql} DEFAULT ${quoteLiteral(step.value)}::${step.typeSql}`,
        `${alter} ALTER COLUMN ${column} DROP DEFAULT`,
      ];
    }
    case 'compute':
      return [`${alter} ADD COLUMN ${quoteIdent(step.column)} ${step.typeSql} GENERATED ALWAYS AS (${step.expression}) STORED`];
    case 'own': {
      const { name, typeSql, notNull, byDefault } = step.column;
      return [`${alter} ADD COLUMN ${quoteIdent(name)} ${typeSql}${notNull ? ' NOT NULL' : ''} DEFAULT ${byDefault}`];
    }
  }
}

/** For a column that stays although nothing writes it any more. */
export function allowNull(table: QualifiedName, column: string): string {
  return `ALTER TABLE ${quoteName(table)} ALTER COLUMN ${quoteIdent(column)} DROP NOT NULL`;
}

export const SAVEPOINT = 'SAVEPOINT millrace_alter';
export const ROLLBACK = 'ROLLBACK TO SAVEPOINT millrace_alter';
export const RELEASE = 'RELEASE SAVEPOINT millrace_alter';

/** Checks that wait for the commit forbid ALTER TABLE: they are made now, and later ones wait again. */
export const CHECK_NOW = 'SET CONSTRAINTS ALL IMMEDIATE';
export const CHECK_LATER = 'SET CONSTRAINTS ALL DEFERRED';
