// Text for terminals: names from databases may hold escape sequences that would rewrite the screen, and characters that are two columns wide.

/**
 * Characters that act on a terminal or hide what is written: C0 and C1 controls, line and paragraph separators,
 * direction overrides, invisible joiners, lone surrogates and the byte order mark.
 */
const ACTING = /[\p{Cc}\p{Cs}\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu;

const SHORT_ESCAPES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** `text` with every acting character written as an escape such as `\x1b` or `\u{202e}`; one line, whatever it holds. */
export function printable(text: string): string {
  return text.replaceAll(ACTING, (char) => {
    const code = char.codePointAt(0) ?? 0;
    return SHORT_ESCAPES[char] ?? (code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`);
  });
}

/** Like `printable`, but lines stay lines: for texts that are written as several. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** East Asian wide characters and emoji, roughly: an alignment that is off by one harms nobody. */
const WIDE =
  /^[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|^\p{Emoji_Presentation}|\ufe0f/u;

/** How many columns a terminal gives to printable text. */
export function displayWidth(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const { segment } of graphemes.segment(text)) width += WIDE.test(segment) ? 2 : 1;
  return width;
}

/** Cuts printable text to `columns`, with an ellipsis in the last one. */
export function fit(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  let width = 0;
  let kept = '';
  for (const { segment } of graphemes.segment(text)) {
    const next = width + (WIDE.test(segment) ? 2 : 1);
    if (next > columns - 1) break;
    width = next;
    kept += segment;
  }
  return columns > 0 ? `${kept}…` : '';
}

/** Fills printable text up to `columns` with spaces. */
export function pad(text: string, columns: number, align: 'left' | 'right' = 'left'): string {
  const fill = ' '.repeat(Math.max(0, columns - displayWidth(text)));
  return align === 'left' ? text + fill : fill + text;
}

export type Tone = 'good' | 'warning' | 'bad' | 'dim' | 'strong';

const CODES: Readonly<Record<Tone, string>> = { good: '32', warning: '33', bad: '31', dim: '2', strong: '1' };

/** Gives text a tone, or leaves it as it is where colours are unwanted. */
export type Paint = (text: string, tone: Tone) => string;

export function createPaint(enabled: boolean): Paint {
  return enabled ? (text, tone) => `\x1b[${CODES[tone]}m${text}\x1b[0m` : (text) => text;
}
