// The schema of the configuration file: every key that Millrace knows, with its type. What this version can do of it is decided elsewhere.
import { z } from 'zod';
import { hostProblem } from './host.ts';

/** A value that came from the environment is text; a number or a flag written so is read as such. */
function port(fallback: number) {
  const parsed = z.preprocess(
    (value) => (typeof value === 'string' && /^\d{1,6}$/.test(value) ? Number(value) : value),
    z.int().min(1).max(65_535),
  );
  return parsed.default(fallback);
}

function flag() {
  return z.preprocess((value) => (value === 'true' ? true : value === 'false' ? false : value), z.boolean()).optional();
}

const MAX_NAME_LENGTH = 255;

/** Names that we give things ourselves: sources, destinations and pipelines. */
const ownName = z.string().superRefine((name, context) => {
  if (name === '') context.addIssue({ code: 'custom', message: 'a name is empty', params: { hint: 'give it a name' } });
  else if ([...name].length > MAX_NAME_LENGTH) {
    context.addIssue({
      code: 'custom',
      message: `a name is longer than ${MAX_NAME_LENGTH} characters`,
      params: { hint: 'choose a shorter one' },
    });
  } else if (/\p{Cc}/u.test(name)) {
    context.addIssue({ code: 'custom', message: 'a name holds a control character', params: { hint: 'use letters, digits, - and _' } });
  }
});

const text = z
  .string()
  .min(1)
  .refine((value) => !value.includes('\0'), { message: 'the value holds a NUL character', params: { hint: 'remove it' } });

/** A Postgres identifier as users write it: never quoted, at most 63 bytes, because the server would cut a longer one silently. */
const identifier = text.refine((value) => new TextEncoder().encode(value).length <= 63, {
  message: 'the name is longer than 63 bytes',
  params: { hint: 'Postgres keeps 63 bytes of a name; choose a shorter one' },
});

const host = z.string().superRefine((value, context) => {
  const problem = hostProblem(value);
  if (problem) context.addIssue({ code: 'custom', message: problem.message, params: { hint: problem.hint } });
});

export const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;

const ssl = z.strictObject({
  mode: z.enum(SSL_MODES),
  ca_file: text.optional(),
  load_all_ca_certificates: flag(),
  client_certificate_file: text.optional(),
  client_key_file: text.optional(),
});

const ssh = z.strictObject({
  host,
  port: port(22),
  user: text,
  method: z.enum(['key', 'password', 'service_key']),
  private_key_file: text.optional(),
  password: text.optional(),
  password_file: text.optional(),
  host_key: text,
});

const connection = {
  host,
  port: port(5432),
  user: text,
  password: text.optional(),
  password_file: text.optional(),
  ssl: ssl.optional(),
  ssh: ssh.optional(),
  allow_unencrypted: flag(),
};

const source = z.strictObject({
  type: z.enum(['generic', 'azure', 'aurora']),
  ...connection,
  database: text.optional(),
  databases: z.array(text).min(1).optional(),
  server_type: z.enum(['flexible', 'single']).optional(),
});

const destination = z.strictObject({
  type: z.enum(['postgres']),
  ...connection,
  database: text,
  schema: identifier.optional(),
  url_params: z.string().optional(),
});

export const SYNC_MODES = ['full_refresh_overwrite', 'full_refresh_append', 'incremental_append', 'incremental_append_deduped'] as const;
const QUERY_MODES = ['full_load', 'delta_timestamp', 'change_data_capture', 'unique_incrementing_append_only'] as const;

const storable = z
  .string()
  .refine((value) => !value.includes('\0'), { message: 'the value holds a NUL character', params: { hint: 'remove it' } });

const mask = z.union([z.null(), z.literal('sha256'), z.strictObject({ fixed: storable })], {
  error: 'must be null, sha256 or {fixed: "…"}',
});

const object = z.strictObject({
  include: flag(),
  sync_mode: z.enum(SYNC_MODES).optional(),
  query_mode: z.enum(QUERY_MODES).optional(),
  cursor: identifier.optional(),
  columns: z.array(identifier).min(1).optional(),
  where: text.optional(),
  target: identifier.optional(),
  mask: z.record(identifier, mask).optional(),
  rename: z.record(identifier, identifier).optional(),
  existing_table: z.enum(['empty', 'replace']).optional(),
});

const schedule = z.union(
  [
    z.enum(['continuous', 'manual']),
    z.strictObject({ every: z.string().regex(/^[1-9]\d{0,5}[smhd]$/) }),
    z.strictObject({ cron: text, timezone: text.optional() }),
  ],
  { error: 'must be continuous, manual, {every: 30m} or {cron: "0 3 * * *", timezone: UTC}' },
);

const pipeline = z.strictObject({
  source: ownName,
  destination: ownName,
  mode: z.enum(['logical', 'table', 'xmin', 'custom_sql']).default('logical'),
  schedule: schedule.default('continuous'),
  frequency_profile: z.enum(['free', 'hevo_current', 'hevo_legacy']).optional(),
  load_historical_data: flag(),
  merge_tables: flag(),
  include_new_tables: flag(),
  preset: z.enum(['native', 'hevo', 'airbyte', 'prequel']).optional(),
  deletes: z.enum(['hard', 'soft', 'ignore']).optional(),
  metadata_columns: z.enum(['none', 'millrace', 'hevo', 'airbyte']).optional(),
  raw_tables: flag(),
  raw_schema: identifier.optional(),
  types: z.enum(['native', 'hevo', 'airbyte']).optional(),
  history: flag(),
  namespace: text.optional(),
  detect_deletes: flag(),
  schema_changes: z.enum(['apply', 'hold', 'ignore']).optional(),
  schemas: z.array(identifier).min(1).optional(),
  objects: z
    .record(
      z.string(),
      z.preprocess((value) => value ?? {}, object),
    )
    .optional(),
  default_object_state: z.enum(['included', 'skipped']).optional(),
  mask_salt: text.optional(),
  query: text.optional(),
  target: identifier.optional(),
  primary_key: z.array(identifier).min(1).optional(),
  query_mode: z.enum(QUERY_MODES).optional(),
  cursor: identifier.optional(),
  sync_mode: z.enum(SYNC_MODES).optional(),
});

/** The whole file. Keys and types only: references, combinations and files that it names are checked after it. */
export const FILE_SCHEMA = z.strictObject({
  version: z.literal(1),
  sources: z.record(ownName, source),
  destinations: z.record(ownName, destination),
  pipelines: z.record(ownName, pipeline),
});

export type File = z.infer<typeof FILE_SCHEMA>;
export type FileSource = z.infer<typeof source>;
export type FileDestination = z.infer<typeof destination>;
export type FilePipeline = z.infer<typeof pipeline>;
export type FileObject = z.infer<typeof object>;
export type FileSsl = z.infer<typeof ssl>;
