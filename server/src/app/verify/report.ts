// Puts the outcome of a comparison into the words and shapes that users read.
import { formatObjectName } from '@millrace/contract/object-name';
import type { VerifyReport } from '@millrace/contract/report';
import { MillraceError } from '../../model/error.ts';
import type { VerifyResult } from '../../model/verify.ts';
import { formatLsn, type Lsn } from '../../pg/lsn.ts';
import type { QualifiedName } from '../../pg/ident.ts';

/** The report of a comparison that came to its end. `leftOut`: columns that were not part of it. */
export function verifyReport(object: QualifiedName, result: VerifyResult, leftOut: readonly string[] = []): VerifyReport {
  return {
    object: formatObjectName(object),
    source_rows: result.sourceRows,
    destination_rows: result.destinationRows,
    missing: result.missing,
    extra: result.extra,
    different: result.different,
    unverified: unverifiedText(result, leftOut),
    sample_keys: result.sampleKeys,
    position: formatLsn(result.position),
  };
}

/**
 * The report of an object that could not be compared. A lost connection is thrown on: it concerns all objects, and nothing was found out.
 */
export function unverifiedReport(object: QualifiedName, error: unknown, position: Lsn): VerifyReport {
  if (!(error instanceof MillraceError) || error.errorName === 'connection_lost') throw error;
  return {
    object: formatObjectName(object),
    source_rows: 0,
    destination_rows: 0,
    missing: 0,
    extra: 0,
    different: 0,
    unverified: error.message,
    sample_keys: [],
    position: formatLsn(position),
  };
}

/** Whether nothing is wrong and nothing is in doubt: only then may `millrace verify` end with 0. */
export function isClean(report: VerifyReport): boolean {
  return report.missing + report.extra + report.different === 0 && report.unverified === null;
}

function unverifiedText({ unverifiedRows, unverifiedReason }: VerifyResult, leftOut: readonly string[]): string | null {
  const rows = unverifiedReason === null ? [] : [`${rowsText(unverifiedRows)}: ${unverifiedReason}`];
  const names = leftOut.map((name) => JSON.stringify(name)).join(', ');
  const columns = leftOut.length === 0 ? [] : [`not compared, since it takes a source of PostgreSQL 16 or later: ${names}`];
  return rows.length + columns.length === 0 ? null : [...rows, ...columns].join('; ');
}

function rowsText(rows: number): string {
  return rows === 1 ? '1 row' : `${rows} rows`;
}
