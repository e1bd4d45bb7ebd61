// Numbers as people read them: counts, sizes, rates, durations. Pure.

const GROUPS = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const BYTE_UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** `1,234,567`. */
export function formatCount(count: number): string {
  return GROUPS.format(count);
}

/** Sizes in Postgres' units (1 kB is 1024 bytes): `512 bytes`, `1.5 MB`. */
export function formatBytes(sizeBytes: number): string {
  let value = Math.max(0, sizeBytes);
  let unit = 0;
  // 1023.95 kB would print as "1024.0 kB".
  while (unit < BYTE_UNITS.length - 1 && value >= (unit === 0 ? 1024 : 1023.95)) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${BYTE_UNITS[unit] ?? ''}`;
}

/** `85,012 rows/s`; below ten a second with one digit. */
export function formatRate(perSecond: number, unit: string): string {
  return `${perSecond > 0 && perSecond < 9.95 ? perSecond.toFixed(1) : formatCount(perSecond)} ${unit}/s`;
}

/** `0.3 s`, `12 s`, `3 min 05 s`, `2 h 07 min`, `3 d 4 h`. */
export function formatDuration(seconds: number): string {
  const value = Math.max(0, seconds);
  if (value < 9.95) return `${value.toFixed(1)} s`;
  const whole = Math.round(value);
  if (whole < 60) return `${whole} s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
  if (whole < 86_400) return `${Math.floor(whole / 3_600)} h ${String(Math.floor((whole % 3_600) / 60)).padStart(2, '0')} min`;
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3_600)} h`;
}

/** A pipeline's lag: `0.3 s, 1.2 kB`; what is unknown is left out, all unknown is `-`. */
export function formatLag(seconds: number | null, sizeBytes: number | null): string {
  const parts = [seconds === null ? null : formatDuration(seconds), sizeBytes === null ? null : formatBytes(sizeBytes)];
  return parts.filter((part) => part !== null).join(', ') || '-';
}

/** What a copy's estimate is made of. */
export interface EtaFacts {
  readonly done: number;
  /** null or less than nothing: unknown. */
  readonly total: number | null;
  readonly perSecond: number;
  readonly observedSeconds: number;
}

/** Below this, a rate says more about the start than about the copy. */
const MIN_OBSERVED_SECONDS = 3;

/** How long a copy will still take: `12 s`, `estimating` while nobody can know, `finishing` once the estimate is used up. */
export function formatEta(facts: EtaFacts): string {
  const { done, total, perSecond, observedSeconds } = facts;
  if (total === null || total < 0 || observedSeconds < MIN_OBSERVED_SECONDS || perSecond <= 0) return 'estimating';
  if (done >= total) return 'finishing';
  return formatDuration((total - done) / perSecond);
}

/** `3 objects`, `1 object`. */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}
