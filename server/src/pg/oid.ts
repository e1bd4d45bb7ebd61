// The OIDs of built-in types that decisions depend on, and which OIDs mean the same on every server.
// Source: `src/include/catalog/pg_type.dat` of PostgreSQL; PostgreSQL manual, "8.19. Object Identifier Types".

export const TypeOid = {
  bool: 16,
  bytea: 17,
  char: 18,
  name: 19,
  int8: 20,
  int2: 21,
  int4: 23,
  regproc: 24,
  text: 25,
  oid: 26,
  xid: 28,
  json: 114,
  xml: 142,
  pgNodeTree: 194,
  float4: 700,
  float8: 701,
  money: 790,
  aclitem: 1033,
  bpchar: 1042,
  varchar: 1043,
  date: 1082,
  time: 1083,
  timestamp: 1114,
  timestamptz: 1184,
  interval: 1186,
  timetz: 1266,
  bit: 1560,
  varbit: 1562,
  numeric: 1700,
  regprocedure: 2202,
  regoper: 2203,
  regoperator: 2204,
  regclass: 2205,
  regtype: 2206,
  uuid: 2950,
  pgLsn: 3220,
  pgNdistinct: 3361,
  pgDependencies: 3402,
  gtsvector: 3642,
  regconfig: 3734,
  regdictionary: 3769,
  jsonb: 3802,
  regnamespace: 4089,
  regrole: 4096,
  regcollation: 4191,
  pgBrinBloomSummary: 4600,
  pgBrinMinmaxMultiSummary: 4601,
  pgMcvList: 5017,
  xid8: 5069,
} as const;

/** The first OID that `initdb` or a user may give: from here on a number means something else on every server. */
const FIRST_GENERATED_OID = 10_000;
/** The first OID of an object that a user (or an extension) made. */
const FIRST_NORMAL_OID = 16_384;

/** Types whose value is the OID of a catalogue object: their binary form is a number that means nothing on another server. */
const REG_TYPES: ReadonlySet<number> = new Set([
  TypeOid.regproc,
  TypeOid.regprocedure,
  TypeOid.regoper,
  TypeOid.regoperator,
  TypeOid.regclass,
  TypeOid.regtype,
  TypeOid.regconfig,
  TypeOid.regdictionary,
  TypeOid.regnamespace,
  TypeOid.regrole,
  TypeOid.regcollation,
]);

/** Whether the type is one of `reg…`, of which only the text means the same on another server. */
export function isRegType(typeOid: number): boolean {
  return REG_TYPES.has(typeOid);
}

/** Whether the OID stands for the same object on every server (as arrays and composites need whose binary form holds it). */
export function isSameOnEveryServer(oid: number): boolean {
  return oid > 0 && oid < FIRST_GENERATED_OID;
}

/** Whether a user or an extension made the object. */
export function isUserDefined(oid: number): boolean {
  return oid >= FIRST_NORMAL_OID;
}
