// Makes correct input of every kind: fuzzing from messages that are right reaches much deeper than random bytes do.
import { writeCopyHeader, writeCopyNull, writeCopyRowHeader, writeCopyTrailer, writeCopyValue } from '../../src/pg/copy/binary.ts';
import type { Message, OldRow, Value } from './encode-pgoutput.ts';
import { encodeBackendMessage, encodeKeepalive, encodeMessage, encodeWalData } from './encode-pgoutput.ts';
import type { Random } from './random.ts';

/** A correct pgoutput message. */
export function anyMessage(random: Random): Message {
  switch (random.below(12)) {
    case 0:
      return { tag: 'begin', finalLsn: anyLsn(random), commitTimeMicros: anyTime(random), xid: 3 + random.below(2 ** 32 - 3) };
    case 1:
      return { tag: 'commit', commitLsn: anyLsn(random), endLsn: anyLsn(random), commitTimeMicros: anyTime(random) };
    case 2:
      return anyRelation(random);
    case 3:
      return { tag: 'truncate', oids: list(random, 6, () => random.uint32()), cascade: random.oneIn(2), restartIdentity: random.oneIn(2) };
    case 4:
      return { tag: 'type', oid: random.uint32(), schema: anyName(random), name: anyName(random) };
    case 5:
      return { tag: 'origin', commitLsn: random.uint64(), name: anyName(random) };
    case 6: {
      const content = random.bytes(random.below(40));
      return { tag: 'message', transactional: random.oneIn(2), lsn: random.uint64(), prefix: anyName(random), content };
    }
    case 7:
    case 8:
      return { tag: 'delete', oid: random.uint32(), old: { kind: random.pick(['key', 'full']), values: anyRow(random) } };
    case 9:
    case 10:
      return { tag: 'update', oid: random.uint32(), old: anyOldRow(random), row: anyRow(random) };
    default:
      return { tag: 'insert', oid: random.uint32(), row: anyRow(random) };
  }
}

/** A stretch of what a server sends: one to five whole backend messages. */
export function anyBackendStream(random: Random): Buffer {
  return Buffer.concat(list(random, 4, () => anyBackendMessage(random)).concat(anyBackendMessage(random)));
}

/** A whole binary COPY of a few rows. */
export function anyBinaryCopy(random: Random): Buffer {
  const target = Buffer.alloc(8 * 1024);
  let at = writeCopyHeader(target, 0);
  for (let row = random.below(5); row > 0; row--) {
    const columnCount = random.below(6);
    at = writeCopyRowHeader(target, at, columnCount);
    for (let column = 0; column < columnCount; column++) {
      const sizeBytes = random.below(60);
      at = random.oneIn(5) ? writeCopyNull(target, at) : writeCopyValue(target, at, random.bytes(sizeBytes), 0, sizeBytes);
    }
  }
  return target.subarray(0, writeCopyTrailer(target, at));
}

/** What `pg_current_snapshot()` prints. */
export function anySnapshotText(random: Random): string {
  const xmin = random.uint64() >> BigInt(1 + random.below(40));
  let id = xmin;
  const running = list(random, 8, () => {
    id += BigInt(1 + random.below(50));
    return id;
  });
  return `${xmin}:${id + 1n + BigInt(random.below(50))}:${running.join(',')}`;
}

function anyBackendMessage(random: Random): Buffer {
  switch (random.below(9)) {
    case 0:
      return encodeBackendMessage(random.pick(['E', 'N']), Buffer.from(`SERROR\0VERROR\0C42P01\0M${anyName(random)}\0Hhint\0\0`));
    case 1:
      return encodeBackendMessage('C', Buffer.from(`COPY ${random.below(1_000_000)}\0`));
    case 2:
      return encodeBackendMessage('Z', Buffer.from(random.pick(['I', 'T', 'E'])));
    case 3:
      return encodeBackendMessage(random.pick(['W', 'G', 'H']), Buffer.from('01000200010001', 'hex'));
    case 4:
      return encodeBackendMessage('D', anyDataRow(random));
    case 5:
      return encodeBackendMessage('d', encodeKeepalive(random.uint64(), anyTime(random), random.oneIn(2)));
    default: {
      const payload = encodeMessage(anyMessage(random));
      return encodeBackendMessage('d', encodeWalData(random.uint64(), random.uint64(), anyTime(random), payload));
    }
  }
}

function anyDataRow(random: Random): Buffer {
  const target = Buffer.alloc(1024);
  const columnCount = random.below(6);
  let at = writeCopyRowHeader(target, 0, columnCount);
  for (let column = 0; column < columnCount; column++) {
    const text = Buffer.from(anyName(random));
    at = random.oneIn(4) ? writeCopyNull(target, at) : writeCopyValue(target, at, text, 0, text.length);
  }
  return target.subarray(0, at);
}

function anyRelation(random: Random): Message {
  const columns = list(random, 10, () => ({
    flags: random.below(2),
    name: anyName(random),
    typeOid: random.uint32(),
    typmod: random.oneIn(2) ? -1 : random.below(2 ** 31),
  }));
  const replicaIdentity = random.pick(['d', 'n', 'f', 'i'] as const);
  return { tag: 'relation', relation: { oid: random.uint32(), schema: anyName(random), name: anyName(random), replicaIdentity, columns } };
}

function anyOldRow(random: Random): OldRow {
  return random.oneIn(2) ? { kind: 'absent' } : { kind: random.pick(['key', 'full']), values: anyRow(random) };
}

function anyRow(random: Random): Value[] {
  return list(random, 12, () => anyValue(random));
}

function anyValue(random: Random): Value {
  if (random.oneIn(5)) return { kind: random.pick(['null', 'unchanged']) };
  return { kind: random.pick(['text', 'binary']), bytes: random.bytes(random.below(random.oneIn(10) ? 400 : 24)) };
}

function anyName(random: Random): string {
  return random.pick(['id', 'orders', 'a b', 'Ünïcode', '"; --', '\u{1f600}', 'x'.repeat(63), '\n', '\\N', 'ﬀ']);
}

function anyLsn(random: Random): bigint {
  return random.uint64() | 1n;
}

function anyTime(random: Random): bigint {
  return BigInt.asIntN(64, random.uint64());
}

function list<T>(random: Random, maxLength: number, make: () => T): T[] {
  return Array.from({ length: random.below(maxLength + 1) }, make);
}
