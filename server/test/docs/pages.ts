// Reads the pages of the project as the tests of the pages need them: their text, their code blocks, and the commands in these.
import { readdirSync, readFileSync } from 'node:fs';

/** A code block of a page. */
export interface CodeBlock {
  readonly page: string;
  /** What stands behind the fence: `sh`, `yaml`, or nothing. */
  readonly language: string;
  readonly text: string;
}

/** Paths from the project's root: the pages that people write. What is generated has tests of its own. */
export function handwrittenPages(): readonly string[] {
  const docs = readdirSync(new URL('docs/', ROOT)).map((name) => `docs/${name}`);
  const decisions = readdirSync(new URL('docs/decisions/', ROOT)).map((name) => `docs/decisions/${name}`);
  return ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', ...docs, ...decisions].filter(
    (path) => path.endsWith('.md') && path !== 'docs/errors.md',
  );
}

/** The text of a file, by its path from the project's root. */
export function readProjectFile(path: string): string {
  return readFileSync(new URL(path, ROOT), 'utf8');
}

/** The fenced code of a page, also where it is indented in a list. */
export function codeBlocks(page: string): readonly CodeBlock[] {
  const fenced = /^( *)```(\w*)\n([\s\S]*?)^\1```$/gm;
  return [...readProjectFile(page).matchAll(fenced)].map(([, indent = '', language = '', text = '']) => ({
    page,
    language,
    text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  }));
}

/** Arguments of every `millrace …` and `npm run …` that a page asks to type, without what a shell would do with them afterwards. */
export function typedCommands(page: string): readonly { readonly program: 'millrace' | 'npm run'; readonly args: readonly string[] }[] {
  const lines = codeBlocks(page)
    .filter((block) => block.language === 'sh')
    .flatMap((block) => block.text.split('\n'));
  return lines.flatMap((line) =>
    line
      .replace(/#.*$/, '')
      .split(/&&|\||;/)
      .flatMap((command) => {
        const [, program, rest = ''] = /^\s*(?:npx )?(millrace|npm run)\s+(.*?)\s*$/.exec(command) ?? [];
        return program === 'millrace' || program === 'npm run' ? [{ program, args: rest.split(/\s+/) } as const] : [];
      }),
  );
}

const ROOT = new URL('../../../', import.meta.url);
