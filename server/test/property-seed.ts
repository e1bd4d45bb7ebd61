// Replays a failed property test: MILLRACE_SEED is the seed that its message printed.
import fc from 'fast-check';

const seed = Number(process.env['MILLRACE_SEED']);
if (!Number.isSafeInteger(seed)) throw new Error('MILLRACE_SEED must be the whole number that the failed test printed');
fc.configureGlobal({ seed });
