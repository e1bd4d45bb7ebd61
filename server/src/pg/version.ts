// What a server of a given version can do, so that version numbers are compared in one place only.

/** `server_version_num`, for example 150018. Source: PostgreSQL manual, "20.18. Preset Options". */
export interface ServerVersion {
  readonly number: number;
  readonly major: number;
}

/** Reads `server_version_num`. Throws a `TypeError` on anything else, and on versions before 10 (numbered otherwise). */
export function parseServerVersion(text: string): ServerVersion {
  if (!VERSION_NUMBER.test(text)) throw new TypeError(`not a server_version_num of 10 or later: ${JSON.stringify(text)}`);
  const number = Number(text);
  return { number, major: Math.floor(number / MINORS_PER_MAJOR) };
}

/** The version as people write it, for example `15.18`. */
export function formatServerVersion(version: ServerVersion): string {
  return `${version.major}.${version.number % MINORS_PER_MAJOR}`;
}

/** Something that servers can do from some major version on. */
export type Feature = keyof typeof FIRST_MAJOR;

/** Whether a server of this version has the feature. */
export function hasFeature(version: ServerVersion, feature: Feature): boolean {
  return version.major >= FIRST_MAJOR[feature];
}

/** The first major version that has the feature, for messages that say what to upgrade to. */
export function firstMajorWith(feature: Feature): number {
  return FIRST_MAJOR[feature];
}

const VERSION_NUMBER = /^[1-9]\d{5}$/;
const MINORS_PER_MAJOR = 10_000;

/** From the release notes of each major version. */
const FIRST_MAJOR = {
  /** `publish_via_partition_root`: changes of a partition come as the root's. */
  publishViaRoot: 13,
  /** `wal_status` and `safe_wal_size` in `pg_replication_slots`. */
  slotWalStatus: 13,
  /** `max_slot_wal_keep_size`. */
  slotWalKeepSize: 13,
  /** Page ranges of a table are read as such, by `ctid` comparisons. */
  tidRangeScan: 14,
  /** `binary` option of pgoutput. */
  pgoutputBinary: 14,
  /** `messages` option of pgoutput. */
  pgoutputMessages: 14,
  /** Multirange types. */
  multirange: 14,
  /** `FOR TABLES IN SCHEMA`, column lists and row filters of publications. */
  publicationFilters: 15,
  /** `idle_session_timeout`. */
  idleSessionTimeout: 14,
  /** Parenthesised options of CREATE_REPLICATION_SLOT. */
  slotOptionsInParentheses: 15,
  /** `conflicting` in `pg_replication_slots`. */
  slotConflicting: 16,
  /** Slots that survive a failover, and `failover`, `invalidation_reason`, `inactive_since` in `pg_replication_slots`. */
  failoverSlots: 17,
  /** `publish_generated_columns`. */
  publishGeneratedColumns: 18,
  /** Virtual generated columns. */
  virtualGeneratedColumns: 18,
  /** `idle_replication_slot_timeout`. */
  idleSlotTimeout: 18,
} as const;
