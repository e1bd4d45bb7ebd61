// Writes the page of all error codes from the catalogue, so that the page can't say anything else than the program.
import { CATALOGUE, type CatalogueEntry, type RetryClass } from '../../src/model/error-catalogue.ts';

/** The text of `docs/errors.md`. */
export function renderErrorsPage(): string {
  const entries = Object.entries(CATALOGUE as Readonly<Record<string, CatalogueEntry>>).toSorted(
    ([, a], [, b]) => Number(a.code) - Number(b.code),
  );
  return [INTRODUCTION, ...entries.map(([name, entry]) => section(name, entry))].join('\n');
}

const INTRODUCTION = `# Error codes

Every failure that Millrace reports has a stable code. Codes below 2000 keep the numbers and titles that users of other
pipelines know; our own begin at 2000. A message on the terminal, a finding of \`millrace check\` and the JSON of \`--json\`
all carry the code, what happened, and what to do.

This page is written from the catalogue in \`server/src/model/error-catalogue.ts\`: change the texts there and run
\`node scripts/gen-errors-doc.mjs\`.

In the commands below, FILE is the configuration file, NAME the pipeline and SCHEMA.TABLE the object; \`millrace\`, \`writer\`,
\`shop\`, \`warehouse\` and \`public\` in SQL stand for your roles, databases and schemas.

| after an error of class | Millrace |
|---|---|
| backoff | tries again by itself, ever slower |
| slow | tries again by itself, once a minute |
| user | waits until somebody has mended the cause |
| decision | stops: continuity is lost, and a person must choose |
| fatal | ends the command |
`;

const EXIT_MEANINGS: Readonly<Record<CatalogueEntry['exit'], string>> = {
  1: 'unexpected',
  2: 'usage or config',
  3: 'connection or prerequisite',
  4: 'some objects failed, the rest is done',
  5: 'continuity lost, a decision is needed',
};

const RETRY_MEANINGS: Readonly<Record<RetryClass, string>> = {
  backoff: 'backoff: tries again by itself',
  slow: 'slow: tries again once a minute',
  user: 'user: waits for somebody to mend the cause',
  decision: 'decision: a person must choose',
  fatal: 'fatal: the command ends',
};

function section(name: string, entry: CatalogueEntry): string {
  return `## ${entry.code}

**${entry.title}** (\`${name}\`)

${entry.meaning}

- What to do: ${entry.fix}
- Retry: ${RETRY_MEANINGS[entry.retry]}
- Exit code: ${entry.exit} (${EXIT_MEANINGS[entry.exit]})
`;
}
