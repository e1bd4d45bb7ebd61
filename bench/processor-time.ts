// Who used the processors during a measurement, from the kernel's counters: ours, each cluster's, and everybody else's.
import { readdir, readFile } from 'node:fs/promises';

/** Seconds of processor time since boot or start; null where the system has no /proc (macOS). */
export interface ProcessorTimes {
  readonly source: number;
  readonly destination: number;
  /** This process and its children that have ended. */
  readonly bench: number;
  /** The whole machine, time stolen by its host included. */
  readonly machine: number;
}

/** The difference of two readings. */
export interface ProcessorUse {
  readonly sourceCpuSeconds: number;
  readonly destinationCpuSeconds: number;
  /** What neither the clusters nor the bench and its children used: the noise in a measurement. */
  readonly othersCpuSeconds: number;
}

/** Reads all counters. `pids` are the postmasters of the two clusters. */
export async function readProcessorTimes(pids: { readonly source: number; readonly destination: number }): Promise<ProcessorTimes | null> {
  const machine = await readOrNull('/proc/stat');
  const bench = await readOrNull('/proc/self/stat');
  if (machine === null || bench === null) return null;
  const own = parseProcessStat(bench);
  const [source, destination] = await readTrees([pids.source, pids.destination], RETRIES);
  return {
    source: (source ?? 0) / TICKS_PER_SECOND,
    destination: (destination ?? 0) / TICKS_PER_SECOND,
    bench: (own.ownTicks + own.reapedTicks) / TICKS_PER_SECOND,
    machine: parseBusyTicks(machine) / TICKS_PER_SECOND,
  };
}

/** What was used between two readings; null when either is missing. */
export function processorUse(before: ProcessorTimes | null, after: ProcessorTimes | null): ProcessorUse | null {
  if (before === null || after === null) return null;
  const source = after.source - before.source;
  const destination = after.destination - before.destination;
  const bench = after.bench - before.bench;
  return {
    sourceCpuSeconds: source,
    destinationCpuSeconds: destination,
    othersCpuSeconds: Math.max(0, after.machine - before.machine - source - destination - bench),
  };
}

/** Parent and processor ticks of one `/proc/PID/stat`. Source: proc(5). The command in parentheses may hold anything. */
export function parseProcessStat(text: string): { readonly parentPid: number; readonly ownTicks: number; readonly reapedTicks: number } {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const field = (index: number): number => Number(fields[index] ?? 0);
  return { parentPid: field(1), ownTicks: field(11) + field(12), reapedTicks: field(13) + field(14) };
}

/** The busy ticks of the first line of `/proc/stat`: all but idle and iowait; guest time is in user time already. */
export function parseBusyTicks(text: string): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (text.split('\n')[0] ?? '')
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return user + nice + system + irq + softirq + steal;
}

/** Linux reports these files in units of 1/100 s on every architecture, whatever the kernel's own tick is. */
const TICKS_PER_SECOND = 100;

/** A backend that ends while the list is read shows neither in it nor among the reaped; then the list is read again. */
const RETRIES = 20;

/** Ticks of each postmaster, its living children, and those that it has reaped. */
async function readTrees(pids: readonly number[], retries: number): Promise<readonly number[]> {
  const before = await Promise.all(pids.map(reapedTicks));
  const totals = pids.map(() => 0);
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const text = await readOrNull(`/proc/${entry}/stat`);
    if (text === null) continue;
    const stat = parseProcessStat(text);
    const self = pids.indexOf(Number(entry));
    const parent = pids.indexOf(stat.parentPid);
    if (self >= 0) totals[self] = (totals[self] ?? 0) + stat.ownTicks + stat.reapedTicks;
    if (parent >= 0) totals[parent] = (totals[parent] ?? 0) + stat.ownTicks;
  }
  const after = await Promise.all(pids.map(reapedTicks));
  return retries > 0 && before.join() !== after.join() ? readTrees(pids, retries - 1) : totals;
}

async function reapedTicks(pid: number): Promise<number> {
  const text = await readOrNull(`/proc/${pid}/stat`);
  return text === null ? 0 : parseProcessStat(text).reapedTicks;
}

async function readOrNull(file: string): Promise<string | null> {
  return readFile(file, 'latin1').catch(() => null);
}
