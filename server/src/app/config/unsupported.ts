// Refuses what the file may say but this version can't do. A setting that were accepted and ignored would be a lie about the data.
import type { File, FileDestination, FileObject, FilePipeline, FileSource } from '@millrace/contract/file';
import { Place } from './place.ts';
import type { ProblemList } from './problem.ts';
import type { Tree } from './yaml-tree.ts';

/** Adds a problem at every setting that is not available yet. */
export function refuseUnsupported(file: File, root: Tree, problems: ProblemList): void {
  for (const [name, source] of Object.entries(file.sources)) refuseSource(source, new Place(root, ['sources', name], problems));
  for (const [name, destination] of Object.entries(file.destinations))
    refuseDestination(destination, new Place(root, ['destinations', name], problems));
  for (const [name, pipeline] of Object.entries(file.pipelines)) refusePipeline(pipeline, new Place(root, ['pipelines', name], problems));
}

function refuseSource(source: FileSource, place: Place): void {
  refuseTunnel(source, place);
  if (source.databases !== undefined && source.databases.length > 1)
    place.refuse('databases', 'reading several databases by one source', 'give each database a source and a pipeline of its own');
  if (source.server_type === 'single')
    place.refuse('server_type', 'Azure Single Server', 'Azure has retired it; migrate to a flexible server');
}

function refuseDestination(destination: FileDestination, place: Place): void {
  refuseTunnel(destination, place);
}

function refuseTunnel(connection: FileSource | FileDestination, place: Place): void {
  if (connection.ssh !== undefined)
    place.refuse('ssh', 'an SSH tunnel', 'open the tunnel yourself (ssh -N -L 15432:db:5432 …) and set host: 127.0.0.1, port: 15432');
}

function refusePipeline(pipeline: FilePipeline, place: Place): void {
  if (pipeline.mode !== 'logical') place.refuse('mode', `mode ${pipeline.mode}`, 'use mode: logical');
  if (typeof pipeline.schedule === 'object') {
    place.refuse('schedule', 'a schedule by interval or cron', 'use schedule: continuous, or run `millrace run --once` from cron');
  }
  for (const [key, onlyValue] of Object.entries(ONLY_VALUES)) {
    const value = pipeline[key as keyof typeof ONLY_VALUES];
    if (value !== undefined && value !== onlyValue)
      place.refuse(key, `${key}: ${String(value)}`, `use ${key}: ${String(onlyValue)}, or remove the line`);
  }
  for (const key of CUSTOM_SQL_KEYS) {
    if (pipeline[key] !== undefined && pipeline.mode === 'logical') {
      place.problem(
        key,
        `${key} does not go with mode logical`,
        key === 'target' ? 'write it under objects: at the object' : 'remove the line',
      );
    }
  }
  if (pipeline.schema_changes === 'ignore')
    place.refuse('schema_changes', 'schema_changes: ignore', 'use schema_changes: apply or hold, or remove the line');
  for (const [name, object] of Object.entries(pipeline.objects ?? {})) refuseObject(object, pipeline, place.inside('objects', name));
}

/** Settings with a default that is all there is for now. */
const ONLY_VALUES = {
  frequency_profile: 'free',
  merge_tables: false,
  detect_deletes: false,
} as const;

const CUSTOM_SQL_KEYS = ['query', 'target', 'primary_key', 'query_mode', 'cursor'] as const;

function refuseObject(object: FileObject, pipeline: FilePipeline, place: Place): void {
  if (pipeline.mode === 'logical') {
    for (const key of ['query_mode', 'cursor'] as const) {
      if (object[key] !== undefined)
        place.problem(key, `${key} does not go with mode logical`, 'remove the line: the log says what changed');
    }
  }
}
