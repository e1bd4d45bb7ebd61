// An error for people: what happened, its code and title, why, what to do, where to read on.
import type { ErrorReport } from '@millrace/contract/report';
import { type Paint, printable, printableLines } from './terminal-text.ts';

/** Lines for stderr, without a trailing newline. Problems of the file come one by one, each with its own hint. */
export function errorText(error: ErrorReport, paint: Paint): string {
  const object = error.object === null ? '' : ` (${printable(error.object)})`;
  const heading = `${paint(`error ${error.code}`, 'bad')} ${paint(error.title, 'strong')}${object}`;
  if (error.problems.length > 0)
    return [heading, ...error.problems.flatMap((problem) => problemLines(problem, paint)), more(error, paint)].join('\n');
  const sqlstate = error.sqlstate === null ? '' : ` (SQLSTATE ${printable(error.sqlstate)})`;
  return [
    heading,
    field('what happened', `${printableLines(error.cause)}${sqlstate}`, paint),
    field('what it means', error.meaning, paint),
    field('what to do', printableLines(error.fix), paint),
    more(error, paint),
  ].join('\n');
}

const LABEL_WIDTH = 15;

function field(label: string, text: string, paint: Paint): string {
  const indent = ' '.repeat(LABEL_WIDTH + 2);
  return `  ${paint(label.padEnd(LABEL_WIDTH), 'dim')}${text.split('\n').join(`\n${indent}`)}`;
}

function more(error: ErrorReport, paint: Paint): string {
  return field('more', error.docs, paint);
}

function problemLines(problem: ErrorReport['problems'][number], paint: Paint): string[] {
  const where = `${printable(problem.path)}:${problem.line}:${problem.column}:`;
  const hint = problem.hint === null ? [] : [`    ${paint('hint:', 'dim')} ${printable(problem.hint)}`];
  return [`  ${paint(where, 'strong')} ${printable(problem.message)}`, ...hint];
}
