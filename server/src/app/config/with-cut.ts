// Gives a pipeline's connections a common end: work that must not outlast something passes its settings through here.
import type { PipelineSettings } from './settings.ts';

/** The same settings; every connection made with them is cut when `cut` aborts. */
export function withCut(settings: PipelineSettings, cut: AbortSignal): PipelineSettings {
  const { source, destination } = settings;
  return {
    ...settings,
    source: { ...source, connection: { ...source.connection, cut } },
    destination: { ...destination, connection: { ...destination.connection, cut } },
  };
}
