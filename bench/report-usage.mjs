// Preloaded into the measured process (`node --import`): at its exit it writes what it used to the file that
// MILLRACE_BENCH_USAGE names. Only the process itself can say so exactly; sampling from outside misses the last interval.
import { readFileSync, writeFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const file = process.env['MILLRACE_BENCH_USAGE'];
if (isMainThread && file !== undefined) {
  process.on('exit', () => {
    const usage = process.resourceUsage();
    const report = { peakRssBytes: peakRssBytes(usage), cpuSeconds: (usage.userCPUTime + usage.systemCPUTime) / 1e6 };
    writeFileSync(file, JSON.stringify(report));
  });
}

/** On Linux ru_maxrss starts at the size of the process that spawned us, so the kernel's own VmHWM is read instead. */
function peakRssBytes(usage) {
  try {
    const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    if (kibibytes !== undefined) return Number(kibibytes) * 1024;
  } catch {
    // No /proc: macOS.
  }
  return usage.maxRSS * 1024;
}
