// Reads rows of COPY data back, in either format, so that tests can look at what a batch would send.
import type { TransferFormat } from '../../src/model/batch/row-format.ts';

/** Rows as hex values or null. Throws on anything that COPY would refuse, our own mark for unknown values among it. */
export function parseRows(bytes: Buffer, format: TransferFormat): (string | null)[][] {
  return format === 'binary' ? binaryRows(bytes) : textRows(bytes);
}

function binaryRows(bytes: Buffer): (string | null)[][] {
  const rows: (string | null)[][] = [];
  let at = 0;
  while (at < bytes.length) {
    const count = bytes.readUInt16BE(at);
    at += 2;
    const row: (string | null)[] = [];
    for (let column = 0; column < count; column++) {
      const size = bytes.readInt32BE(at);
      at += 4;
      if (size < -1 || at + size > bytes.length) throw new Error(`a value has the length ${size}`);
      row.push(size === -1 ? null : bytes.toString('hex', at, at + size));
      at += Math.max(size, 0);
    }
    rows.push(row);
  }
  return rows;
}

function textRows(bytes: Buffer): (string | null)[][] {
  if (bytes.length === 0) return [];
  const text = bytes.toString('latin1');
  if (!text.endsWith('\n')) throw new Error('the last row has no end');
  if (text.includes('\0')) throw new Error('a value is NUL');
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => line.split('\t').map((field) => (field === '\\N' ? null : Buffer.from(unescaped(field), 'latin1').toString('hex'))));
}

function unescaped(field: string): string {
  return field.replaceAll(/\\(.)/g, (_, letter: string) => ESCAPES[letter] ?? letter);
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };
