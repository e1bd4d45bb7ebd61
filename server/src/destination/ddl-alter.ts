// Brings a destination table to other columns in the open transaction, whoever's it is. What others built on it stays, or is told.
import { MillraceError } from '../model/error.ts';
import type { SchemaStep } from '../model/schema-change/steps.ts';
import { objectLabel } from '../model/table.ts';
import type { QualifiedName } from '../pg/ident.ts';
import { SqlState } from '../pg/sqlstate.ts';
import { faultOf } from './apply-fault.ts';
import * as sql from './ddl-alter.sql.ts';

/** Runs one statement in the session whose transaction is open. */
export type RunStatement = (statement: string) => Promise<unknown>;

/**
 * Runs the steps. Returns the columns that should have been dropped and stay, because something depends on them: from now on they may be
 * NULL, and nothing writes them. Throws `destination_has_dependents`, with the statements that are left, when the destination refuses a
 * step; the transaction can go on.
 */
export async function alterColumns(run: RunStatement, table: QualifiedName, steps: readonly SchemaStep[]): Promise<readonly string[]> {
  const kept: string[] = [];
  for (const [index, step] of steps.entries()) {
    const error = await attempt(run, sql.stepStatements(table, step));
    if (error === null) continue;
    if (step.kind === 'drop' && error.facts.sqlstate === DEPENDENT_OBJECTS) {
      await run(sql.allowNull(table, step.column));
      kept.push(step.column);
      continue;
    }
    const left = steps.slice(index).flatMap((each) => sql.stepStatements(table, each));
    throw new MillraceError(
      'destination_has_dependents',
      {
        cause: `${objectLabel(table)} can't follow its source: ${error.facts.cause}`,
        fix: `Take away what stands in the way of\n${left.map((statement) => `${statement};`).join('\n')}\nThen: millrace objects resume -f FILE --pipeline NAME SCHEMA.TABLE`,
        sqlstate: error.facts.sqlstate,
        side: 'destination',
      },
      error,
    );
  }
  return kept;
}

/** The error by which the destination refuses the statements, which then have done nothing; null when they are done. */
async function attempt(run: RunStatement, statements: readonly string[]): Promise<MillraceError | null> {
  await run(sql.SAVEPOINT);
  try {
    await runAll(run, statements);
    await run(sql.RELEASE);
    return null;
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    const isInUse = error.facts.sqlstate === SqlState.objectInUse;
    if (!isInUse && faultOf(error) !== 'object') throw error;
    await run(sql.ROLLBACK);
    if (!isInUse) return error;
  }
  try {
    await runAll(run, [sql.CHECK_NOW, ...statements, sql.CHECK_LATER, sql.RELEASE]);
    return null;
  } catch (error) {
    if (!(error instanceof MillraceError) || faultOf(error) !== 'object') throw error;
    await run(sql.ROLLBACK);
    return error;
  }
}

async function runAll(run: RunStatement, statements: readonly string[]): Promise<void> {
  for (const statement of statements) await run(statement);
}

const DEPENDENT_OBJECTS = '2BP01';
