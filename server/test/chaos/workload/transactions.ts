// Puts actions together to transactions as applications make them: with savepoints, given up, or committed in two phases.
import type { Random } from '../../fuzz/random.ts';
import { type Action, ACTIONS, type Step } from './actions.ts';

/** A transaction to run. */
export interface Transaction {
  readonly steps: readonly Step[];
  readonly end: 'commit' | 'rollback' | 'prepare_and_commit' | 'prepare_and_rollback';
}

/** The next transaction. The same generator in the same state gives the same one. */
export function makeTransaction(random: Random): Transaction {
  const steps: Step[] = [];
  const actions = 1 + random.below(random.oneIn(12) ? 12 : 4);
  for (let i = 0; i < actions; i++) steps.push(...part(random, i));
  return { steps, end: endOf(random) };
}

/** An action as it is, or inside a savepoint whose work stays or goes. */
function part(random: Random, ordinal: number): readonly Step[] {
  const steps = pickAction(random).steps(random);
  if (!random.oneIn(8)) return steps;
  const name = `s${ordinal}`;
  const end = random.oneIn(2) ? `ROLLBACK TO SAVEPOINT ${name}` : `RELEASE SAVEPOINT ${name}`;
  return [{ kind: 'sql', text: `SAVEPOINT ${name}` }, ...steps, { kind: 'sql', text: end }];
}

function endOf(random: Random): Transaction['end'] {
  const draw = random.below(100);
  if (draw < 4) return 'rollback';
  if (draw < 8) return 'prepare_and_commit';
  return draw < 9 ? 'prepare_and_rollback' : 'commit';
}

function pickAction(random: Random): Action {
  let left = (random.uint32() / 2 ** 32) * TOTAL_WEIGHT;
  for (const action of ACTIONS) {
    left -= action.weight;
    if (left < 0) return action;
  }
  return random.pick(ACTIONS);
}

const TOTAL_WEIGHT = ACTIONS.reduce((sum, action) => sum + action.weight, 0);
