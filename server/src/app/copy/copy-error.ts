// Says which object a failed historical load was for, and names the causes that only a load can have.
import { MillraceError } from '../../model/error.ts';
import type { ErrorName } from '../../model/error-catalogue.ts';
import { objectLabel } from '../../model/table.ts';
import type { QualifiedName } from '../../pg/ident.ts';
import { SqlState, sqlStateClass } from '../../pg/sqlstate.ts';

/** The error of a load of `source`; an error that is about more than this object keeps its name. */
export function copyError(error: unknown, source: QualifiedName): unknown {
  if (!(error instanceof MillraceError)) return error;
  // A partition's name would mean nothing: the object is the table as a whole.
  const facts = { ...error.facts, object: objectLabel(source) };
  return new MillraceError(nameOf(error), facts, error);
}

function nameOf(error: MillraceError): ErrorName {
  const { sqlstate, side } = error.facts;
  if (sqlstate === undefined || !UNSPECIFIC.has(error.errorName)) return error.errorName;
  if (sqlstate === INVALID_TEXT) return 'text_not_decodable';
  if (sqlstate === SqlState.lockNotAvailable) return side === 'source' ? 'copy_interrupted' : 'destination_blocked';
  return (side === 'source' ? sourceName(sqlstate) : destinationName(sqlstate)) ?? 'object_copy_failed';
}

function sourceName(sqlstate: string): ErrorName | null {
  switch (sqlstate) {
    case SqlState.insufficientPrivilege:
      return 'select_missing';
    case SqlState.undefinedTable:
    case UNDEFINED_SCHEMA:
      return 'object_vanished';
    case SqlState.undefinedColumn:
      return 'object_schema_changed';
    case SNAPSHOT_GONE:
    case SqlState.queryCanceled:
    case SqlState.deadlockDetected:
      return 'copy_interrupted';
    default:
      return null;
  }
}

function destinationName(sqlstate: string): ErrorName | null {
  switch (sqlStateClass(sqlstate)) {
    case DATA_EXCEPTION:
    case CONSTRAINT_VIOLATION:
      return 'row_rejected';
    case TRANSACTION_ROLLBACK:
      return 'copy_interrupted';
    default:
      return sqlstate === SqlState.undefinedColumn || sqlstate === SqlState.undefinedTable ? 'object_schema_changed' : null;
  }
}

/** Names that say no more than the SQLSTATE does. */
const UNSPECIFIC: ReadonlySet<ErrorName> = new Set(['unexpected', 'source_blocked', 'destination_blocked']);
const INVALID_TEXT = '22021';
const UNDEFINED_SCHEMA = '3F000';
/** invalid_parameter_value: "invalid snapshot identifier", when the session that exported it is gone; undefined_object from 17 on. */
const SNAPSHOT_GONE = '22023';
const DATA_EXCEPTION = '22';
const CONSTRAINT_VIOLATION = '23';
const TRANSACTION_ROLLBACK = '40';
