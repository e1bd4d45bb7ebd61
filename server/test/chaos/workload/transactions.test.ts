import { expect, test } from 'vitest';
import { Random } from '../../fuzz/random.ts';
import { makeTransaction } from './transactions.ts';

test('a seed gives the same transactions again, and another seed gives others', () => {
  const first = transactionsOf(7);
  expect(transactionsOf(7)).toEqual(first);
  expect(transactionsOf(8)).not.toEqual(first);
});

test('every way to end a transaction, savepoints, COPY and TRUNCATE come up', () => {
  const transactions = transactionsOf(1);
  const texts = transactions.flatMap(({ steps }) => steps.map((step) => (step.kind === 'sql' ? step.text : 'COPY')));
  expect(new Set(transactions.map(({ end }) => end))).toEqual(
    new Set(['commit', 'rollback', 'prepare_and_commit', 'prepare_and_rollback']),
  );
  for (const part of ['ROLLBACK TO SAVEPOINT', 'RELEASE SAVEPOINT', 'TRUNCATE chaos.scratch CASCADE', 'COPY', 'DO $do$']) {
    expect(texts.some((text) => text.startsWith(part))).toBe(true);
  }
});

function transactionsOf(seed: number) {
  const random = new Random(seed);
  return Array.from({ length: 3_000 }, () => makeTransaction(random));
}
