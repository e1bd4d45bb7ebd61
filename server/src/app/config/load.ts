// The one way from the configuration file to settings: text, tree, schema, what is not available yet, what fits together.
import { dirname } from 'node:path';
import type { File, FileDestination, FileSource } from '@millrace/contract/file';
import { readConnection } from './connections.ts';
import { type Environment, environmentReader } from './environment.ts';
import { readPipeline, type Servers } from './pipelines.ts';
import { Place } from './place.ts';
import { ProblemList } from './problem.ts';
import { readConfigText } from './read-file.ts';
import { readFileShape } from './schema-problems.ts';
import type { DestinationSettings, FileSettings, PipelineSettings, SourceSettings } from './settings.ts';
import { refuseUnsupported } from './unsupported.ts';
import { DEFAULT_CONNECT_TIMEOUT_MS, parseUrlParams } from './url-params.ts';
import { readTree, type Tree } from './yaml-tree.ts';

/**
 * Reads and checks the whole file; connects to nothing. Throws `config_unreadable`, or `config_invalid` with every problem
 * as `path:line:column: message` and a hint.
 */
export async function loadFile(path: string, environment: Environment): Promise<FileSettings> {
  const text = await readConfigText(path);
  const problems = new ProblemList();
  const tree = readTree(text, problems, environmentReader(environment, problems));
  const file = tree === null ? null : readFileShape(tree, problems);
  if (tree === null || file === null) {
    problems.throwIfAny(path);
    throw new Error("a file that can't be read must have a problem");
  }
  refuseUnsupported(file, tree, problems);
  const servers = await readServers(file, tree, problems, dirname(path));
  const pipelines = Object.entries(file.pipelines)
    .map(([name, raw]) => readPipeline(name, raw, servers, new Place(tree, ['pipelines', name], problems)))
    .filter((pipeline): pipeline is PipelineSettings => pipeline !== null);
  problems.throwIfAny(path);
  return {
    path,
    sources: [...servers.sources.values()],
    destinations: [...servers.destinations.values()].map(({ name, connection }) => ({ name, connection })),
    pipelines,
    warnings: problems.warnings,
  };
}

async function readServers(file: File, tree: Tree, problems: ProblemList, directory: string): Promise<Servers> {
  const servers: MutableServers = { sources: new Map(), destinations: new Map() };
  for (const [name, raw] of Object.entries(file.sources)) {
    const place = new Place(tree, ['sources', name], problems);
    const target = { database: sourceDatabase(raw, place), connectTimeoutMs: DEFAULT_CONNECT_TIMEOUT_MS };
    if (raw.server_type !== undefined && raw.type !== 'azure')
      place.problem('server_type', 'server_type goes with type: azure only', 'remove the line');
    servers.sources.set(name, { name, type: raw.type, connection: await readConnection(raw, target, place, directory) });
  }
  for (const [name, raw] of Object.entries(file.destinations)) {
    const place = new Place(tree, ['destinations', name], problems);
    const target = { database: raw.database, connectTimeoutMs: destinationTimeoutMs(raw, place) };
    servers.destinations.set(name, { name, schema: raw.schema ?? null, connection: await readConnection(raw, target, place, directory) });
  }
  return servers;
}

interface MutableServers extends Servers {
  readonly sources: Map<string, SourceSettings>;
  readonly destinations: Map<string, DestinationSettings & { readonly schema: string | null }>;
}

function sourceDatabase(raw: FileSource, place: Place): string {
  if (raw.database !== undefined && raw.databases !== undefined) {
    place.problem('databases', 'database and databases exclude each other', 'keep one of the two');
  } else if (raw.database === undefined && raw.databases === undefined) {
    place.problem('database', 'database is missing', 'add a line such as `database: shop`');
  }
  return raw.database ?? raw.databases?.[0] ?? '';
}

function destinationTimeoutMs(raw: FileDestination, place: Place): number {
  const params = parseUrlParams(raw.url_params ?? '');
  for (const { message, hint } of params.problems) place.problem('url_params', message, hint);
  for (const { message, hint } of params.warnings) place.warn('url_params', message, hint);
  return params.connectTimeoutMs;
}
