// Checks what a pipeline's keys mean together (references, namespaces, object names) and types the result.
import { didYouMean } from '@millrace/contract/did-you-mean';
import type { FilePipeline } from '@millrace/contract/file';
import { formatObjectName, isObjectNameProblem, parseObjectName } from '@millrace/contract/object-name';
import { isReservedSchema, type NamespaceRule } from '../../destination/names.ts';
import type { Secret } from '../../lib/secret.ts';
import { isRefreshed } from '../../model/layout.ts';
import { readFilter, readMaskSalt } from './filters.ts';
import { readLayout, refuseObjectMode } from './layouts.ts';
import type { Place } from './place.ts';
import type { DestinationSettings, ObjectSettings, PipelineSettings, SourceSettings } from './settings.ts';

/** What pipelines refer to. A destination's `schema` belongs to the namespace rule, not to the connection. */
export interface Servers {
  readonly sources: ReadonlyMap<string, SourceSettings>;
  readonly destinations: ReadonlyMap<string, DestinationSettings & { readonly schema: string | null }>;
}

/** The settings of one pipeline, or null when a reference leads nowhere. Problems go to `place`. */
export function readPipeline(name: string, raw: FilePipeline, servers: Servers, place: Place): PipelineSettings | null {
  const source = lookUp('source', raw.source, servers.sources, place);
  const destination = lookUp('destination', raw.destination, servers.destinations, place);
  if (source === null || destination === null) return null;
  const namespace = readNamespace(raw, destination.schema, place);
  const schemas = raw.schemas ?? null;
  checkSchemas(schemas, place.inside('schemas'));
  refuseSameDatabase(source, destination, place);
  const objects = readObjects(raw, schemas, place.inside('objects'), readMaskSalt(raw, place));
  refuseEqualTargets(objects, namespace, place.inside('objects'));
  const layout = readLayout(raw, place);
  for (const { key, syncMode, filter } of objects) {
    refuseObjectMode(syncMode, layout, place.inside('objects', key));
    if (filter !== null && filter.where !== null && isRefreshed({ syncMode: syncMode ?? layout.syncMode }))
      place.inside('objects', key).refuse('where', 'where with a full refresh', 'remove the line, or use an incremental sync_mode');
  }
  const defaultObjectState = raw.default_object_state ?? 'included';
  if (defaultObjectState === 'skipped' && !objects.some((object) => object.include)) {
    place.warn(
      'default_object_state',
      'no object is included',
      'list objects under objects:, or include them by `millrace objects include`',
    );
  }
  return {
    name,
    source,
    destination: { name: destination.name, connection: destination.connection },
    schedule: raw.schedule === 'manual' ? 'manual' : 'continuous',
    loadHistoricalData: raw.load_historical_data ?? true,
    includeNewTables: raw.include_new_tables ?? true,
    defaultObjectState,
    schemas,
    objects: objects.map(({ key: _key, ...settings }) => settings),
    namespace,
    layout,
    schemaChanges: raw.schema_changes ?? 'apply',
  };
}

function lookUp<T>(kind: 'source' | 'destination', name: string, known: ReadonlyMap<string, T>, place: Place): T | null {
  const found = known.get(name);
  if (found !== undefined) return found;
  const near = didYouMean(name, known.keys());
  const names = [...known.keys()].join(', ') || 'none';
  place.problem(
    kind,
    `no ${kind} is named ${JSON.stringify(name)}`,
    near === null ? `${kind}s of this file: ${names}` : `did you mean ${near}?`,
  );
  return null;
}

function readNamespace(raw: FilePipeline, schema: string | null, place: Place): NamespaceRule {
  const rule = raw.namespace ?? (schema === null && raw.preset !== 'prequel' ? 'source' : 'destination');
  if (rule === 'source') return { kind: 'source' };
  if (rule === 'destination') {
    if (schema === null)
      place.problem(
        'namespace',
        'namespace: destination needs a schema at the destination',
        'add schema: to the destination, or use namespace: source',
      );
    refuseReserved(schema ?? '', 'namespace', place);
    return { kind: 'destination', schema: schema ?? '' };
  }
  if (!rule.includes('{schema}')) {
    place.problem(
      'namespace',
      'a namespace pattern must hold {schema}',
      'use source, destination or a pattern such as "eu_{schema}"; for one fixed schema set it at the destination',
    );
  } else if (/[{}]/.test(rule.replaceAll('{schema}', ''))) {
    place.problem('namespace', 'a namespace pattern knows only {schema}', 'such as "eu_{schema}"');
  }
  return { kind: 'pattern', pattern: rule };
}

function refuseReserved(schema: string, key: string, place: Place): void {
  if (isReservedSchema(schema))
    place.problem(key, `the destination schema ${JSON.stringify(schema)} is reserved`, 'choose another schema at the destination');
}

function checkSchemas(schemas: readonly string[] | null, place: Place): void {
  const seen = new Set<string>();
  for (const [index, schema] of (schemas ?? []).entries()) {
    if (isReservedSchema(schema))
      place.problem(String(index), `${JSON.stringify(schema)} can't be replicated`, 'it belongs to Postgres or to Millrace; remove it');
    if (seen.has(schema)) place.problem(String(index), `${JSON.stringify(schema)} stands in schemas twice`, 'remove one');
    seen.add(schema);
  }
}

/** The tables written would be read again as changes, without end. */
function refuseSameDatabase(source: SourceSettings, destination: DestinationSettings, place: Place): void {
  const { connection: from } = source;
  const { connection: to } = destination;
  if (from.host.toLowerCase() !== to.host.toLowerCase() || from.port !== to.port || from.database !== to.database) return;
  place.problem(
    'destination',
    'source and destination are the same database',
    'every change written would be read again; choose another database as destination',
  );
}

interface KeyedObject extends ObjectSettings {
  /** The object's name as the file writes it. */
  readonly key: string;
}

function readObjects(raw: FilePipeline, schemas: readonly string[] | null, place: Place, salt: Secret | null): KeyedObject[] {
  const objects = new Map<string, KeyedObject>();
  for (const [key, object] of Object.entries(raw.objects ?? {})) {
    const name = parseObjectName(key);
    if (isObjectNameProblem(name)) {
      place.problem(key, name.message, name.hint);
      continue;
    }
    const include = object.include ?? true;
    const label = formatObjectName(name);
    if (objects.has(label)) place.problem(key, `the object ${label} stands here twice`, 'keep one of the two');
    if (isReservedSchema(name.schema))
      place.problem(key, `${label} can't be replicated`, 'it belongs to Postgres or to Millrace; remove it');
    if (include && schemas !== null && !schemas.includes(name.schema)) {
      place.problem(
        key,
        `${label} is not in one of the pipeline's schemas`,
        `add ${JSON.stringify(name.schema)} to schemas, or remove the object`,
      );
    }
    const filter = readFilter(object, salt, place.inside(key));
    const { target = null, sync_mode: syncMode = null, existing_table: existingTable = 'empty' } = object;
    objects.set(label, { ...name, include, target, syncMode, filter, existingTable, key });
  }
  return [...objects.values()];
}

function refuseEqualTargets(objects: readonly KeyedObject[], namespace: NamespaceRule, place: Place): void {
  const taken = new Map<string, string>();
  for (const object of objects) {
    if (!object.include || object.target === null) continue;
    const target = formatObjectName({ schema: namespace.kind === 'destination' ? namespace.schema : object.schema, name: object.target });
    const other = taken.get(target);
    const label = formatObjectName(object);
    if (other === undefined) taken.set(target, label);
    else place.inside(object.key).problem('target', `${label} and ${other} have the same target`, 'give each object a target of its own');
  }
}
