// Ends every test run with one line that people and machines read alike: `N passed, N failed`.
import { appendFileSync } from 'node:fs';

/** A vitest reporter. With MILLRACE_TALLY set, the counts are also appended to that file, so that several runs can be summed. */
export default class ClosingLineReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) counts[test.result().state] += 1;
      // A file that can't be loaded, or a suite whose hook fails, has no failed test to show for it.
      counts.failed += module.errors().length;
      for (const suite of module.children.allSuites()) counts.failed += suite.errors().length;
    }
    if (process.env.MILLRACE_TALLY) appendFileSync(process.env.MILLRACE_TALLY, `${counts.passed} ${counts.failed}\n`);
    // After the summary of the default reporter, which writes at the end of this event too.
    process.once('exit', () => console.log(`${counts.passed} passed, ${counts.failed} failed`));
  }
}
