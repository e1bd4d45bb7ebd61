// The text of the settings file of an embedded server.

export interface ServerSettingsOptions {
  readonly port: number;
  /**
   * false: a crash of the machine may lose data (tests, demo). A crash of the server alone never does, so
   * synchronous_commit stays on: without it a killed server forgets its last commits.
   */
  readonly durable: boolean;
  /** Further settings; they win over ours. */
  readonly settings: Readonly<Record<string, string>>;
}

/**
 * Reachable from this machine only, by TCP only (a socket file's path has a length limit). `wal_level` stands in the
 * file and not on the command line: one start without it, while a logical slot exists, fails.
 */
export function renderSettings({ port, durable, settings }: ServerSettingsOptions): string {
  const all: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    wal_level: 'logical',
    log_line_prefix: '%m [%p] %a ',
    ...(durable ? {} : { fsync: 'off', full_page_writes: 'off' }),
    ...settings,
  };
  return Object.entries(all)
    .map(([name, value]) => `${name} = ${quoteSetting(value)}\n`)
    .join('');
}

/** Source: manual, "19.1.2. Parameter Interaction via the Configuration File": quotes are doubled; backslashes escape. */
function quoteSetting(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}
