// Decides, from what exists and what is wanted, which statements make the two publications right.
import type { SourceTable } from '../model/table.ts';
import type { QualifiedName } from '../pg/ident.ts';
import {
  addTablesSql,
  createPublicationSql,
  dropSchemasSql,
  dropTablesSql,
  type PublicationColumns,
  setOptionsSql,
} from './publication.sql.ts';
import type { PublicationNames } from './slot-name.ts';

/** A publication as the catalogue has it. */
export interface PublicationState {
  readonly oid: number;
  readonly name: string;
  /** Whether our role may alter it. */
  readonly owned: boolean;
  readonly allTables: boolean;
  readonly actions: PublicationActions;
  readonly viaRoot: boolean;
  readonly publishesGenerated: boolean;
  readonly members: readonly PublicationMember[];
  /** Schemas that are published whole. */
  readonly schemas: readonly PublishedSchema[];
}

export interface PublishedSchema {
  readonly schema: string;
  /** See `PublicationMember`. */
  readonly membershipOid: number;
}

export interface PublicationActions {
  readonly insert: boolean;
  readonly update: boolean;
  readonly delete: boolean;
  readonly truncate: boolean;
}

export interface PublicationMember extends QualifiedName {
  /** OID of the table. */
  readonly oid: number;
  /** OID of the membership itself: another one when the table was dropped from the publication and added again. */
  readonly membershipOid: number;
  /** A column list would hide values from us. */
  readonly filtered: boolean;
  /** The row filter as the server prints it; null or absent: all rows. */
  readonly condition?: string | null | undefined;
}

/** The tables that each publication should hold. */
export interface WantedTables {
  readonly full: readonly SourceTable[];
  readonly insertOnly: readonly SourceTable[];
}

/** Which publication each table belongs into: one that publishes updates only where updates can be matched. */
export function wantedTables(tables: readonly SourceTable[]): WantedTables {
  return {
    full: tables.filter((table) => table.identity.kind !== 'none'),
    insertOnly: tables.filter((table) => table.identity.kind === 'none'),
  };
}

/** What to do. `statements` run in one transaction, so that a table that moves is never out of both. */
export interface PublicationPlan {
  readonly statements: readonly string[];
  readonly created: readonly string[];
  /** Tables of which something is published now that was not before. Changes of open transactions may be missing: see `lock-wait.ts`. */
  readonly added: readonly SourceTable[];
  /** The part of `added` that was in the other publication before, so that its inserts were published all along. */
  readonly moved: readonly SourceTable[];
  readonly removed: readonly QualifiedName[];
  /** Publications whose options somebody had changed. */
  readonly mended: readonly string[];
  /** Publications that somebody else made and that cover what is wanted: used as they are. */
  readonly administered: readonly string[];
  /** The publications that exist afterwards: what a stream is started with. */
  readonly streamFrom: readonly string[];
}

export interface ExistingPublications {
  readonly full: PublicationState | null;
  readonly insertOnly: PublicationState | null;
}

/**
 * The difference as statements. A publication that an administrator made is used as it is while it covers its tables (or the
 * two together do); otherwise it is planned like one of ours, and the caller finds out that it may not alter it.
 */
export function planPublications(
  names: PublicationNames,
  existing: ExistingPublications,
  wanted: WantedTables,
  columns: PublicationColumns,
): PublicationPlan {
  const states = [existing.full, existing.insertOnly].filter((state) => state !== null);
  const isManaged = (state: PublicationState | null): boolean => state === null || isOurs(state);
  if (!isManaged(existing.full) || !isManaged(existing.insertOnly)) {
    if (coversAll(states, wanted))
      return { ...NOTHING, administered: states.map((state) => state.name), streamFrom: states.map((state) => state.name) };
  }
  const full = planOne(names.full, existing.full, wanted.full, FULL, columns);
  const insertOnly = planOne(names.insertOnly, existing.insertOnly, wanted.insertOnly, INSERT_ONLY, columns);
  const wantedOids = new Set([...wanted.full, ...wanted.insertOnly].map((table) => table.oid));
  const added = [...full.added, ...insertOnly.added];
  const members = byOid(states.flatMap((state) => state.members));
  return {
    statements: [...full.statements, ...insertOnly.statements],
    created: [...full.created, ...insertOnly.created],
    added,
    moved: added.filter((table) => members.get(table.oid)?.some((member) => publishes(member, table)) ?? false),
    removed: [...full.dropped, ...insertOnly.dropped].filter((table) => !wantedOids.has(table.oid)),
    mended: [...full.mended, ...insertOnly.mended],
    administered: [],
    streamFrom: [names.full, names.insertOnly],
  };
}

/**
 * The publications that a stream of this pipeline is started with. Where an administrator made one, those that exist: a single one may
 * cover everything, and then the other was never there.
 */
export function streamedPublications(names: PublicationNames, states: readonly PublicationState[]): readonly string[] {
  const isAdministered = states.some((state) => !isOurs(state));
  return isAdministered ? states.map((state) => state.name) : [names.full, names.insertOnly];
}

/** Whether the membership brings exactly the rows of `table` that are wanted, whole. */
function publishes(member: PublicationMember, table: Pick<SourceTable, 'oid' | 'condition'>): boolean {
  return member.oid === table.oid && !member.filtered && (member.condition ?? null) === (table.condition ?? null);
}

function byOid(members: readonly PublicationMember[]): ReadonlyMap<number, readonly PublicationMember[]> {
  const groups = new Map<number, PublicationMember[]>();
  for (const member of members) groups.set(member.oid, [...(groups.get(member.oid) ?? []), member]);
  return groups;
}

/** Whether our role made the publication, so that its tables are ours to choose. */
function isOurs(state: PublicationState): boolean {
  return state.owned && !state.allTables;
}

/** Whether this table's changes, of the kinds that it needs, reach us whole through one of these publications. */
export function isCovered(states: readonly PublicationState[], table: SourceTable, needs: 'full' | 'insertOnly'): boolean {
  return states.some((state) => membershipIn(state, table, needs) !== null);
}

/**
 * How the table is published at this moment, as a short text; null when the changes that it needs do not all reach us. Another text than
 * before means that it was taken out of its publication in between, or that the publication itself was made anew: what changed meanwhile
 * is not in the stream, and nothing in the stream says so.
 */
export function membershipOf(states: readonly PublicationState[], table: SourceTable): string | null {
  const needs = table.identity.kind === 'none' ? 'insertOnly' : 'full';
  const memberships = states.flatMap((state) => membershipIn(state, table, needs) ?? []);
  return memberships.length === 0 ? null : memberships.toSorted().join(' ');
}

function membershipIn(state: PublicationState, table: SourceTable, needs: 'full' | 'insertOnly'): string | null {
  const { insert, update, delete: deletes, truncate } = state.actions;
  const hasActions = insert && truncate && (needs === 'insertOnly' || (update && deletes));
  const isWhole = state.viaRoot || table.relkind === 'r';
  if (!hasActions || !isWhole) return null;
  const takesAllRows = table.condition === undefined;
  if (state.allTables) return takesAllRows ? `${state.oid}` : null;
  const schema = takesAllRows ? state.schemas.find((candidate) => candidate.schema === table.schema) : undefined;
  if (schema !== undefined) return `${state.oid}/${schema.membershipOid}`;
  const member = state.members.find((candidate) => publishes(candidate, table));
  return member === undefined ? null : `${state.oid}/${member.membershipOid}`;
}

/**
 * What somebody with the rights must run before `table` can be published, or null when it is published already or our role may do it.
 * Where no publication exists yet the answer is null: making them fails as a whole then, and says everything at once.
 */
export function missingPublication(names: PublicationNames, states: readonly PublicationState[], table: SourceTable): string | null {
  const needs = table.identity.kind === 'none' ? 'insertOnly' : 'full';
  if (states.length === 0 || isCovered(states, table, needs)) return null;
  const state = states.find((candidate) => candidate.name === names[needs]);
  const mayAlter = state === undefined || (state.owned && !state.allTables);
  return mayAlter && table.owned !== false ? null : addTablesSql(names[needs], [table]);
}

interface Kind {
  /** The value of the option `publish`. */
  readonly publish: string;
  readonly actions: PublicationActions;
}

const FULL: Kind = {
  publish: 'insert, update, delete, truncate',
  actions: { insert: true, update: true, delete: true, truncate: true },
};

const INSERT_ONLY: Kind = {
  publish: 'insert, truncate',
  actions: { insert: true, update: false, delete: false, truncate: true },
};

const NOTHING: PublicationPlan = {
  statements: [],
  created: [],
  added: [],
  moved: [],
  removed: [],
  mended: [],
  administered: [],
  streamFrom: [],
};

interface OnePlan {
  readonly statements: readonly string[];
  readonly created: readonly string[];
  readonly added: readonly SourceTable[];
  readonly dropped: readonly PublicationMember[];
  readonly mended: readonly string[];
}

function planOne(
  name: string,
  state: PublicationState | null,
  wanted: readonly SourceTable[],
  kind: Kind,
  columns: PublicationColumns,
): OnePlan {
  if (state === null) {
    return { statements: [createPublicationSql(name, kind.publish, wanted)], created: [name], added: wanted, dropped: [], mended: [] };
  }
  const asWanted = sameActions(state.actions, kind.actions) && state.viaRoot && !state.publishesGenerated;
  // A publication FOR ALL TABLES has no members to change.
  if (state.allTables) {
    const statements = asWanted ? [] : [setOptionsSql(name, kind.publish, columns)];
    return { statements, created: [], added: asWanted ? [] : wanted, dropped: [], mended: asWanted ? [] : [name] };
  }
  const tables = new Map(wanted.map((table) => [table.oid, table]));
  const isWanted = (member: PublicationMember): boolean => {
    const table = tables.get(member.oid);
    return table !== undefined && publishes(member, table);
  };
  const dropped = state.members.filter((member) => !isWanted(member));
  const kept = new Set(state.members.filter(isWanted).map((member) => member.oid));
  const missing = wanted.filter((table) => !kept.has(table.oid));
  const statements = [
    ...(state.schemas.length === 0
      ? []
      : [
          dropSchemasSql(
            name,
            state.schemas.map((each) => each.schema),
          ),
        ]),
    ...(dropped.length === 0 ? [] : [dropTablesSql(name, dropped)]),
    ...(asWanted ? [] : [setOptionsSql(name, kind.publish, columns)]),
    ...(missing.length === 0 ? [] : [addTablesSql(name, missing)]),
  ];
  // With other options before, no member's changes can be trusted to have come through.
  return { statements, created: [], added: asWanted ? missing : wanted, dropped, mended: asWanted ? [] : [name] };
}

function sameActions(a: PublicationActions, b: PublicationActions): boolean {
  return a.insert === b.insert && a.update === b.update && a.delete === b.delete && a.truncate === b.truncate;
}

function coversAll(states: readonly PublicationState[], wanted: WantedTables): boolean {
  return (
    states.length > 0 &&
    wanted.full.every((table) => isCovered(states, table, 'full')) &&
    wanted.insertOnly.every((table) => isCovered(states, table, 'insertOnly'))
  );
}
