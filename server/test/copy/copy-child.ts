// A process that makes one attempt at a load and may be killed in the middle of it; what to do comes as JSON in MILLRACE_TEST_ATTEMPT.
import { Secret } from '../../src/lib/secret.ts';
import type { ConnectionSettings } from '../../src/model/connection.ts';
import { type Attempt, attemptLoad } from './copy-rig.ts';

/** What the parent says; passwords are plain here, as `Secret` does not travel. */
export interface ChildAttempt extends Pick<Attempt, 'table' | 'mode' | 'workers' | 'tuning'> {
  readonly source: PlainConnection;
  readonly destination: PlainConnection;
}

export interface PlainConnection {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
}

const { source, destination, ...attempt } = JSON.parse(process.env['MILLRACE_TEST_ATTEMPT'] ?? '') as ChildAttempt;
const servers = { source: connection(source), destination: connection(destination), applicationName: 'millrace child' };
const { started } = await attemptLoad({ ...attempt, servers });
process.stdout.write(`done ${started}\n`);

function connection(plain: PlainConnection): ConnectionSettings {
  const ssl = { mode: 'disable', ca: null, clientCertificate: null, clientKey: null } as const;
  return { ...plain, password: new Secret(plain.password), ssl, connectTimeoutMs: 10_000 };
}
