// Log lines for people: the logger writes JSON, a terminal gets one readable line.
import { createPaint, type Paint, printable, type Tone } from './terminal-text.ts';

const LEVEL_TONES: Readonly<Record<string, Tone>> = { debug: 'dim', info: 'good', warn: 'warning', error: 'bad' };

/** A JSON log line as `12:30:05 warn message key=value`; a line that is no such JSON is only made printable. */
export function logText(line: string, paint: Paint = createPaint(false)): string {
  const fields = parsed(line);
  if (fields === null) return printable(line);
  const { time, level, msg, ...rest } = fields;
  const clock = typeof time === 'string' ? new Date(time).toTimeString().slice(0, 8) : '';
  const name = typeof level === 'string' ? level : 'info';
  const extras = Object.entries(rest).map(([key, value]) =>
    paint(`${printable(key)}=${printable(typeof value === 'string' ? value : JSON.stringify(value))}`, 'dim'),
  );
  return [clock, paint(printable(name), LEVEL_TONES[name] ?? 'dim'), printable(typeof msg === 'string' ? msg : ''), ...extras]
    .filter((part) => part !== '')
    .join(' ');
}

function parsed(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
