// Finds what the command line names in the file: pipelines, sources, destinations. Pure.
import { didYouMean } from '@millrace/contract/did-you-mean';
import { MillraceError } from '../model/error.ts';
import type { DestinationSettings, FileSettings, PipelineSettings, SourceSettings } from './config/settings.ts';

/** The pipelines of these names in the file's order; all when `names` is empty. Throws `usage` on an unknown name. */
export function selectPipelines(file: FileSettings, names: readonly string[]): readonly PipelineSettings[] {
  for (const name of names) findNamed(file.pipelines, 'pipeline', name, file.path);
  const chosen = names.length === 0 ? file.pipelines : file.pipelines.filter((pipeline) => names.includes(pipeline.name));
  if (chosen.length === 0)
    throw new MillraceError('usage', { cause: `${file.path} has no pipelines`, fix: 'Add one under pipelines: in the file.' });
  return chosen;
}

/** The pipeline of this name. Throws `usage` when the file has none. */
export function findPipeline(file: FileSettings, name: string): PipelineSettings {
  return findNamed(file.pipelines, 'pipeline', name, file.path);
}

/** The source of this name. Throws `usage` when the file has none. */
export function findSource(file: FileSettings, name: string): SourceSettings {
  return findNamed(file.sources, 'source', name, file.path);
}

/** The destination of this name. Throws `usage` when the file has none. */
export function findDestination(file: FileSettings, name: string): DestinationSettings {
  return findNamed(file.destinations, 'destination', name, file.path);
}

function findNamed<T extends { readonly name: string }>(things: readonly T[], kind: string, name: string, path: string): T {
  const found = things.find((thing) => thing.name === name);
  if (found !== undefined) return found;
  const names = things.map((thing) => thing.name);
  const near = didYouMean(name, names);
  const fix = near === null ? `The ${kind}s of the file are: ${names.join(', ') || 'none'}.` : `Did you mean ${near}?`;
  throw new MillraceError('usage', { cause: `${path} has no ${kind} ${JSON.stringify(name)}`, fix });
}
