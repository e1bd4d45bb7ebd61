// The SQLSTATEs that decisions are made by, by the names of the manual: messages are translated and reworded, these are not.
// Source: PostgreSQL manual, "Appendix A. PostgreSQL Error Codes".

export const SqlState = {
  featureNotSupported: '0A000',
  noDataFound: 'P0002',
  raisedException: 'P0001',

  characterNotInRepertoire: '22021',
  invalidTextRepresentation: '22P02',
  untranslatableCharacter: '22P05',
  uniqueViolation: '23505',
  foreignKeyViolation: '23503',
  notNullViolation: '23502',
  checkViolation: '23514',

  readOnlyTransaction: '25006',
  inFailedTransaction: '25P02',
  idleInTransactionTimeout: '25P03',

  invalidAuthorization: '28000',
  invalidPassword: '28P01',
  invalidCatalogName: '3D000',

  serializationFailure: '40001',
  deadlockDetected: '40P01',

  insufficientPrivilege: '42501',
  syntaxError: '42601',
  duplicateColumn: '42701',
  undefinedColumn: '42703',
  undefinedObject: '42704',
  duplicateObject: '42710',
  undefinedTable: '42P01',
  duplicateTable: '42P07',
  duplicateSchema: '42P06',
  undefinedFunction: '42883',

  diskFull: '53100',
  outOfMemory: '53200',
  tooManyConnections: '53300',
  configurationLimitExceeded: '53400',
  programLimitExceeded: '54000',

  objectNotInPrerequisiteState: '55000',
  objectInUse: '55006',
  lockNotAvailable: '55P03',

  queryCanceled: '57014',
  adminShutdown: '57P01',
  crashShutdown: '57P02',
  cannotConnectNow: '57P03',
  databaseDropped: '57P04',
  idleSessionTimeout: '57P05',

  undefinedFile: '58P01',
  ioError: '58030',
  dataCorrupted: 'XX001',
  indexCorrupted: 'XX002',
  internalError: 'XX000',
} as const;

export type SqlState = (typeof SqlState)[keyof typeof SqlState];

/** The class of a SQLSTATE: its first two characters; `08` is every connection exception, `22` every data exception. */
export function sqlStateClass(sqlstate: string): string {
  return sqlstate.slice(0, 2);
}

const CONNECTION_EXCEPTION = '08';
const TRANSACTION_ROLLBACK = '40';
const INSUFFICIENT_RESOURCES = '53';

/** States after which the same work, tried again a little later, can succeed without anybody's help. */
export function isTransientSqlState(sqlstate: string): boolean {
  switch (sqlstate) {
    case SqlState.lockNotAvailable:
    case SqlState.objectInUse:
    case SqlState.adminShutdown:
    case SqlState.crashShutdown:
    case SqlState.cannotConnectNow:
    case SqlState.idleInTransactionTimeout:
    case SqlState.idleSessionTimeout:
      return true;
    case SqlState.configurationLimitExceeded:
      // A setting (max_replication_slots, temp_file_limit) stops it every time.
      return false;
    default: {
      const stateClass = sqlStateClass(sqlstate);
      return stateClass === CONNECTION_EXCEPTION || stateClass === TRANSACTION_ROLLBACK || stateClass === INSUFFICIENT_RESOURCES;
    }
  }
}
