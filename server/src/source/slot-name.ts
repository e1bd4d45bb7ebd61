// Names of what we make on a source: made from the pipeline's name, so that an administrator knows whose slot it is.
import { createHash } from 'node:crypto';

/** The names that one pipeline uses in one database of a source. */
export interface ReplicationNames {
  readonly slot: string;
  readonly publications: PublicationNames;
}

/** The two publications of a pipeline. */
export interface PublicationNames {
  /** Publishes inserts, updates, deletes and truncates: tables with a key or REPLICA IDENTITY FULL. */
  readonly full: string;
  /** Publishes inserts and truncates: tables whose updates carry no identity. */
  readonly insertOnly: string;
}

/**
 * `millrace_<pipeline>_<hash>`, at most 63 characters of [a-z0-9_], which is all that a slot may be named with.
 * `scope` is anything else that tells two pipelines apart (the database, the destination): slots are named per server, so two
 * pipelines of one name from two installations must not meet. Source: PostgreSQL manual, "26.2.6. Replication Slots".
 */
export function replicationNames(pipeline: string, scope: string): ReplicationNames {
  const hash = createHash('sha256')
    .update(JSON.stringify([pipeline, scope]))
    .digest('hex')
    .slice(0, HASH_LENGTH);
  const readable = sanitise(pipeline);
  const base = readable === '' ? `${PREFIX}${hash}` : `${PREFIX}${readable}_${hash}`;
  return { slot: base, publications: { full: base, insertOnly: `${base}${INSERT_ONLY_SUFFIX}` } };
}

const PREFIX = 'millrace_';
const INSERT_ONLY_SUFFIX = '_ins';
const HASH_LENGTH = 12;
const MAX_LENGTH = 63;
const MAX_READABLE = MAX_LENGTH - PREFIX.length - 1 - HASH_LENGTH - INSERT_ONLY_SUFFIX.length;

function sanitise(pipeline: string): string {
  const plain = pipeline.toLowerCase().replaceAll(/[^a-z0-9]+/g, '_');
  return plain.replace(/^_+/, '').slice(0, MAX_READABLE).replace(/_+$/, '');
}
