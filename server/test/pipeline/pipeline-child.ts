// A process that runs a pipeline once and may be killed in the middle of it; what to do comes as JSON in MILLRACE_TEST_RUN.
import type { PipelineSettings } from '../../src/app/config/settings.ts';
import { blindObserver } from '../../src/app/pipeline/observer.ts';
import type { PipelineTuning } from '../../src/app/pipeline/pipeline-run.ts';
import { runPipeline } from '../../src/app/pipeline/run-pipeline.ts';
import { silentLog } from '../../src/lib/log.ts';
import { Secret } from '../../src/lib/secret.ts';
import type { ConnectionSettings } from '../../src/model/connection.ts';

/** What the parent says; passwords are plain here, as `Secret` does not travel. */
export interface ChildRun {
  readonly settings: Omit<PipelineSettings, 'source' | 'destination'>;
  readonly source: PlainConnection;
  readonly destination: PlainConnection;
  readonly tuning: PipelineTuning | undefined;
}

export interface PlainConnection {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
}

const { settings, source, destination, tuning } = JSON.parse(process.env['MILLRACE_TEST_RUN'] ?? '') as ChildRun;
await runPipeline({
  settings: {
    ...settings,
    source: { name: 'source', type: 'generic', connection: connection(source) },
    destination: { name: 'destination', connection: connection(destination) },
  },
  once: true,
  log: silentLog,
  observer: blindObserver,
  signal: new AbortController().signal,
  tuning,
});

function connection(plain: PlainConnection): ConnectionSettings {
  const ssl = { mode: 'disable', ca: null, clientCertificate: null, clientKey: null } as const;
  return { ...plain, password: new Secret(plain.password), ssl, connectTimeoutMs: 10_000 };
}
