import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { builtinTreatment, REFUSED_TYPES, TEXT_TYPES } from './type-refusals.ts';

test('docs/types.md lists exactly the types that become text and those that are refused', async () => {
  const page = await readFile(new URL('../../../docs/types.md', import.meta.url), 'utf8');
  const section = (title: string): string => page.split(`## ${title}`)[1]?.split('\n## ')[0] ?? '';
  const listed = /^`.*`\.$/m.exec(section('Types that become text'))?.[0] ?? '';
  expect([...listed.matchAll(/`(\w+)`/g)].map((match) => match[1])).toEqual([...TEXT_TYPES]);
  const rows = [...section('Types that are refused').matchAll(/^\| `(\w+)` \| (.*) \|$/gm)].map((match) => [match[1], match[2]]);
  expect(rows).toEqual([...REFUSED_TYPES]);
});

test('a type is treated by its own name only', () => {
  expect(builtinTreatment('pg_node_tree')).toMatchObject({ kind: 'refused' });
  expect(builtinTreatment('regtype')).toEqual({ kind: 'text' });
  expect(builtinTreatment('text')).toEqual({ kind: 'same' });
  expect(builtinTreatment('__proto__')).toEqual({ kind: 'same' });
});
