// Checks that the documents lead somewhere: every relative link, every anchor, and every file of ours named in backticks.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { projectFiles, ROOT } from './project-files.mjs';

const documents = (await projectFiles()).filter((file) => file.endsWith('.md'));
const texts = new Map();
for (const file of documents) texts.set(file, await readFile(join(ROOT, file), 'utf8'));

let links = 0;
const problems = [];
for (const [file, text] of texts) {
  const prose = withoutCodeBlocks(text);
  for (const target of linkTargets(prose)) {
    links += 1;
    const problem = judgeLink(file, target);
    if (problem !== null) problems.push(`${file}: ${problem}`);
  }
  for (const path of namedFiles(prose)) {
    links += 1;
    if (!existsSync(join(ROOT, path))) problems.push(`${file}: names ${path}, which does not exist`);
  }
}

for (const problem of problems) console.error(`error ${problem}`);
console.log(`${documents.length} documents, ${links} links, ${problems.length} problems`);
process.exit(problems.length > 0 ? 1 : 0);

function judgeLink(file, target) {
  if (/^[a-z][a-z+.-]*:/i.test(target)) return null;
  const [path, anchor] = target.split('#');
  const document = path === '' ? file : normalize(join(dirname(file), decodeURIComponent(path)));
  if (document.startsWith('..')) return `${target} leads out of the project`;
  if (!existsSync(join(ROOT, document))) return `${target} leads nowhere`;
  if (anchor === undefined || !document.endsWith('.md')) return null;
  return anchors(texts.get(document) ?? '').has(anchor.toLowerCase()) ? null : `${target}: no such heading`;
}

/** Headings as GitHub names them, and anchors that are written out. */
function anchors(text) {
  const found = new Set();
  const prose = withoutCodeBlocks(text);
  for (const [, heading] of prose.matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)) {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[`*]/g, '');
    const slug = plain
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-');
    for (let copy = 0; ; copy += 1) {
      const name = copy === 0 ? slug : `${slug}-${copy}`;
      if (found.has(name)) continue;
      found.add(name);
      break;
    }
  }
  for (const [, name] of prose.matchAll(/<a\s+(?:id|name)="([^"]+)"/g)) found.add(name.toLowerCase());
  return found;
}

function linkTargets(prose) {
  const inline = [...prose.matchAll(/\[[^\]]*\]\(\s*<?([^\s)>]+)>?(?:\s+"[^"]*")?\s*\)/g)].map((match) => match[1]);
  const references = [...prose.matchAll(/^\[[^\]]+\]:\s*<?([^\s>]+)>?/gm)].map((match) => match[1]);
  return [...inline, ...references];
}

/** Paths in backticks that begin with one of our folders; patterns and placeholders are left alone. */
function namedFiles(prose) {
  const spans = [...prose.matchAll(/`([^`\n]+)`/g)].map((match) => match[1]);
  return spans
    .map((span) => span.replace(/:\d+$/, ''))
    .filter((span) => /^(server|contract|web|bench|scripts|docs|\.ci)\/[\w./-]+$/.test(span) && !/\/dist(\/|$)/.test(span));
}

function withoutCodeBlocks(text) {
  return text.replace(/^(```|~~~)[\s\S]*?^\1/gm, '');
}
