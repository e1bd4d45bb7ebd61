// Checks that the repository reads well anywhere: no path of somebody's machine, no leftover markers, no stray control characters.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectFiles, ROOT } from './project-files.mjs';

const TEXT_FILE = /([.](ts|tsx|mjs|cjs|js|json|md|sql|yaml|yml|css|html|sh|txt|conf)|(^|\/)(run|LICENSE|[.]\w+))$/;

const RULES = [
  // The same tree must build for everybody, so no place of one machine may be named.
  { name: "a path of somebody's machine", pattern: /(?<![\w.~:$}\])/-])\/(?:work|Users|root|mnt|home\/(?!you\b)[a-z])\//g },
  { name: 'a merge conflict', pattern: /^(?:<{7}|>{7}) /gm },
  // A reader can't act on it: mend it now, or write down in the docs what is missing and why.
  { name: 'a note to oneself', pattern: /\b(?:TO{1}DO|FIX{1}ME|X{3})\b/g },
  {
    name: 'an invisible or control character',
    pattern: /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g,
  },
  { name: 'a Windows line end', pattern: /\r\n/g },
  { name: 'a focused or skipped test', pattern: /\b(?:describe|test|it)[.](?:only|skip|todo)\(/g },
];

let read = 0;
let count = 0;
for (const file of await projectFiles()) {
  if (!TEXT_FILE.test(file) || file === 'package-lock.json') continue;
  const text = await readFile(join(ROOT, file), 'utf8');
  read += 1;
  for (const { name, pattern } of RULES) {
    for (const { index } of text.matchAll(pattern)) {
      const line = text.slice(0, index).split('\n').length;
      console.error(`error ${file}:${line}: ${name}`);
      count += 1;
    }
  }
}
console.log(`${read} files, ${count} problems`);
process.exit(count > 0 || read === 0 ? 1 : 0);
