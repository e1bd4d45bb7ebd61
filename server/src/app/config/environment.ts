// Puts environment variables in the place of `${NAME}`: in values only, and never read again as YAML.
import type { Position, ProblemList } from './problem.ts';
import type { TextReader } from './yaml-tree.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

const REFERENCE = /\$\$\{|\$\{([^}]*)\}?/g;

/**
 * A reader that replaces every `${NAME}` by the variable's value and `$${` by a literal `${`.
 * A variable that is not set is a problem; an empty one is taken as it is.
 */
export function environmentReader(environment: Environment, problems: ProblemList): TextReader {
  return (text, at) =>
    text.replaceAll(REFERENCE, (match, name: string | undefined) => (name === undefined ? '${' : valueOf(name, match, at)));

  function valueOf(name: string, match: string, at: Position): string {
    if (!match.endsWith('}')) {
      problems.settle(at, 'a ${ is not closed', 'write ${NAME}; a literal ${ is written $${');
    } else if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      problems.settle(
        at,
        '${…} does not hold the name of an environment variable',
        'letters, digits and _ only; a literal ${ is written $${',
      );
    } else {
      const value = Object.hasOwn(environment, name) ? environment[name] : undefined;
      if (value !== undefined) return value;
      problems.settle(
        at,
        `the environment variable ${name} is not set`,
        `set it: export ${name}=… (or use password_file); a literal \${ is written $\${`,
      );
    }
    return '';
  }
}
