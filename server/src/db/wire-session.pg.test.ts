// Our own protocol code against a real server: pipelining, both directions of COPY, errors in the middle, and connections that break.
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { TestDatabase } from '../../test/pg/test-database.ts';
import { usePostgres } from '../../test/pg/use-postgres.ts';
import { waitFor } from '../../test/pg/wait-for.ts';
import { connect, type SessionPurpose } from './connect.ts';
import { type CopySink, WireSession } from './wire-session.ts';

const pg = usePostgres();
const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown): void => void unhandled.push(reason);
let database: TestDatabase;
let wire: WireSession;

beforeEach(async () => {
  process.on('unhandledRejection', onUnhandled);
  database = await pg.destination.createDatabase();
  wire = await open();
});

afterEach(async () => {
  await wire.close();
  await delay(0);
  process.off('unhandledRejection', onUnhandled);
  if (unhandled.length > 0) throw new Error('expected no unhandled rejection', { cause: unhandled.splice(0) });
});

describe('queries', () => {
  test('are pipelined and answered in order', async () => {
    const answers = await Promise.all(Array.from({ length: 500 }, (_, n) => wire.query(`SELECT ${n}, NULL, 'é'`)));
    expect(answers.map(({ rows }) => rows)).toEqual(Array.from({ length: 500 }, (_, n) => [[String(n), null, 'é']]));
  });

  test('report every command tag and the count of the last command', async () => {
    const answer = await wire.query('CREATE TABLE public.t (n int); INSERT INTO public.t SELECT 1 FROM pg_catalog.generate_series(1, 3)');
    expect(answer).toEqual({ rows: [], tags: ['CREATE TABLE', 'INSERT 0 3'], count: 3 });
    expect((await wire.query('')).tags).toEqual([]);
  });

  test('of a pipeline go on after one that failed outside a transaction', async () => {
    const failing = wire.query('SELECT 1/0');
    const next = wire.query('SELECT 2');
    await expect(failing).rejects.toMatchObject({ errorName: 'unexpected', facts: { sqlstate: '22012', side: 'destination' } });
    expect((await next).rows).toEqual([['2']]);
  });

  test('of a pipeline fail with it inside a transaction, until it is rolled back', async () => {
    await wire.query('BEGIN');
    const results = await Promise.allSettled(['SELECT 1/0', 'SELECT 2', 'COMMIT', 'SELECT 3'].map((sql) => wire.query(sql)));
    expect(results.map((result) => result.status)).toEqual(['rejected', 'rejected', 'fulfilled', 'fulfilled']);
    expect(results[1]).toMatchObject({ reason: { facts: { sqlstate: '25P02' } } });
    expect(results[2]).toMatchObject({ value: { tags: ['ROLLBACK'] } });
  });

  test('are not disturbed by notices and notifications', async () => {
    const answer = wire.query("LISTEN c; NOTIFY c, 'x'; DO $$ BEGIN RAISE WARNING 'careful'; END $$; SELECT 1");
    expect((await answer).rows).toEqual([['1']]);
    expect((await wire.query('SELECT 2')).rows).toEqual([['2']]);
  });

  test('keep the data that an error quotes to themselves', async () => {
    await expect(wire.query("SELECT pg_catalog.int4in('secret')")).rejects.toMatchObject({
      facts: { cause: 'destination: invalid input syntax for type integer: "…"' },
    });
  });
});

describe('COPY', () => {
  beforeEach(async () => {
    await wire.query('CREATE TABLE public.t (a int, b text)');
  });

  test('brings text rows in, with statements before and after it in one pipeline', async () => {
    const begin = wire.query('BEGIN');
    const copy = wire.copyIn('COPY public.t FROM STDIN', (sink) => void sink.write(Buffer.from('1\tone\n2\t\\N\n')));
    await copy.sent;
    const after = wire.query('SELECT pg_catalog.count(*), pg_catalog.count(b) FROM public.t');
    const commit = wire.query('COMMIT');
    expect((await copy.result).count).toBe(2);
    expect((await after).rows).toEqual([['2', '1']]);
    await Promise.all([begin, commit]);
  });

  test('hands binary rows out as they come, in whole messages, and takes them back unread', async () => {
    await wire.query("INSERT INTO public.t SELECT n, pg_catalog.repeat('x', n) FROM pg_catalog.generate_series(1, 2000) AS n");
    await wire.query('CREATE TABLE public.twin (LIKE public.t)');
    const pieces: Buffer[] = [];
    const out = await wire.copyOut('COPY public.t TO STDOUT (FORMAT binary)', (bytes, start, end) => {
      pieces.push(Buffer.from(bytes.subarray(start, end)));
    });
    expect(out.count).toBe(2000);
    for (const piece of pieces) expect(endsAtMessage(piece)).toBe(true);
    const back = wire.copyIn('COPY public.twin FROM STDIN (FORMAT binary)', (sink) => {
      for (const piece of pieces) sink.writeMessages(piece);
    });
    await back.sent;
    expect((await back.result).count).toBe(2000);
    expect((await wire.query('SELECT pg_catalog.count(*) FROM (TABLE public.t EXCEPT ALL TABLE public.twin) AS d')).rows).toEqual([['0']]);
  });

  test('that is refused while its data is already on the way leaves the session usable', async () => {
    const refused = wire.copyIn('COPY public.missing FROM STDIN', (sink) => writeMuch(sink, 4));
    await refused.sent;
    const next = wire.query('SELECT 1');
    await expect(refused.result).rejects.toMatchObject({ facts: { sqlstate: '42P01' } });
    expect((await next).rows).toEqual([['1']]);
  });

  test('that meets a bad row halfway leaves the session usable', async () => {
    const copy = wire.copyIn('COPY public.t FROM STDIN', async (sink) => {
      sink.write(Buffer.from('1\tone\nzwei\ttwo\n'));
      await writeMuch(sink, 4);
    });
    await copy.sent;
    await expect(copy.result).rejects.toMatchObject({ facts: { sqlstate: '22P02', cause: expect.not.stringContaining('zwei') } });
    expect((await wire.query('SELECT 1')).rows).toEqual([['1']]);
  });

  test('takes no other statement before all of its data is sent', async () => {
    const copy = wire.copyIn('COPY public.t FROM STDIN', (sink) => writeMuch(sink, 4));
    expect(() => wire.query('SELECT 1')).toThrow('all data of a COPY');
    await copy.sent;
    await expect(copy.result).rejects.toMatchObject({ facts: { sqlstate: '22P02' } });
  });

  test('whose sender gives up is undone', async () => {
    const copy = wire.copyIn('COPY public.t FROM STDIN', (sink) => {
      sink.write(Buffer.from('1\tone\n'));
      throw new Error('no more');
    });
    await expect(copy.sent).rejects.toThrow('no more');
    await expect(copy.result).rejects.toMatchObject({ facts: { sqlstate: '57014' } });
    expect((await wire.query('SELECT pg_catalog.count(*) FROM public.t')).rows).toEqual([['0']]);
  });

  test('carries a row of 200 MB in either direction', async () => {
    const size = 200 * 1024 * 1024;
    const value = Buffer.alloc(size, 'v');
    const copy = wire.copyIn('COPY public.t FROM STDIN', async (sink) => {
      sink.write(Buffer.from('1\t'));
      if (!sink.write(value)) await sink.drained();
      sink.write(Buffer.from('\n'));
    });
    await copy.sent;
    expect((await copy.result).count).toBe(1);
    let received = 0;
    let intact = true;
    await wire.copyOut('COPY public.t (b) TO STDOUT', (bytes, start, end) => {
      received += end - start;
      intact &&= bytes.subarray(start + 5, end - 1).equals(value);
    });
    expect({ received, intact }).toEqual({ received: size + 1 + 5, intact: true });
  });

  test('waits for a receiver that pauses', async () => {
    await wire.query("INSERT INTO public.t SELECT 1, pg_catalog.repeat('x', 1000) FROM pg_catalog.generate_series(1, 20000)");
    let received = 0;
    const copy = wire.copyOut('COPY public.t TO STDOUT', (_bytes, start, end) => {
      if (received === 0) wire.pause();
      received += end - start;
    });
    await waitFor('the server to wait for us', async () => {
      const [row] = await database.query('SELECT wait_event FROM pg_catalog.pg_stat_activity WHERE pid = $1', [wire.backendPid]);
      return row?.[0] === 'ClientWrite';
    });
    const before = received;
    expect(before).toBeLessThan(20_000_000);
    wire.resume();
    await copy;
    expect(received).toBeGreaterThan(20_000_000);
  });
});

describe('a connection that is cut', () => {
  test('fails everything that waits exactly once, with the words of the server', async () => {
    const seen: unknown[] = [];
    const sleeping = wire.query('SELECT pg_catalog.pg_sleep(600)');
    const waiting = Array.from({ length: 20 }, () => wire.query('SELECT 1'));
    const all = Promise.all([sleeping, ...waiting].map((result) => result.catch((error: unknown) => seen.push(error))));
    await terminate(wire);
    await all;
    expect(seen).toHaveLength(21);
    for (const error of seen) {
      expect(error).toMatchObject({
        errorName: 'connection_lost',
        facts: { sqlstate: '57P01', cause: expect.stringContaining('administrator') },
      });
    }
    await expect(wire.query('SELECT 1')).rejects.toMatchObject({ errorName: 'connection_lost', facts: { sqlstate: '57P01' } });
    expect(wire.isBroken).toBe(true);
  });

  test('while it is idle is known at the next statement, with the words of the server', async () => {
    await terminate(wire);
    await waitFor('the session to notice', () => wire.isBroken);
    await expect(wire.query('SELECT 1')).rejects.toMatchObject({ errorName: 'connection_lost', facts: { sqlstate: '57P01' } });
  });

  test('in the middle of a COPY out fails it', async () => {
    await wire.query("CREATE TABLE public.t AS SELECT pg_catalog.repeat('x', 1000) FROM pg_catalog.generate_series(1, 20000)");
    let calls = 0;
    const copy = wire.copyOut('COPY public.t TO STDOUT', () => {
      if (calls++ === 0) wire.pause();
    });
    copy.catch(() => {});
    await waitFor('the server to wait for us', async () => {
      const [row] = await database.query('SELECT wait_event FROM pg_catalog.pg_stat_activity WHERE pid = $1', [wire.backendPid]);
      return row?.[0] === 'ClientWrite';
    });
    await terminate(wire);
    wire.resume();
    await expect(copy).rejects.toMatchObject({ errorName: 'connection_lost' });
  });

  test('in the middle of a COPY in fails it, and its sender comes to an end', async () => {
    await wire.query('CREATE TABLE public.t (b text)');
    const copy = wire.copyIn('COPY public.t FROM STDIN', async (sink) => {
      for (let n = 0; !wire.isBroken; n++) {
        if (n === 50) void terminate(wire);
        await writeMuch(sink, 1);
      }
    });
    await copy.sent;
    await expect(copy.result).rejects.toMatchObject({ errorName: 'connection_lost' });
    await expect(wire.query('SELECT 1')).rejects.toMatchObject({ errorName: 'connection_lost' });
  });

  test('by ourselves fails what waits', async () => {
    const sleeping = wire.query('SELECT pg_catalog.pg_sleep(600)');
    wire.destroy();
    await expect(sleeping).rejects.toMatchObject({ errorName: 'connection_lost' });
    // The backend notices the closed socket only when it writes.
    await database.query('SELECT pg_catalog.pg_terminate_backend($1)', [wire.backendPid]);
  });

  test('by a timeout of the server is a lost connection too', async () => {
    await wire.query('SET idle_in_transaction_session_timeout = 50');
    await wire.query('BEGIN');
    await waitFor('the server to end the session', () => wire.isBroken);
    await expect(wire.query('SELECT 1')).rejects.toMatchObject({ errorName: 'connection_lost', facts: { sqlstate: '25P03' } });
  });
});

describe('a consumer that throws', () => {
  test('ends the connection, and is named in the error', async () => {
    const copy = wire.copyOut('COPY (SELECT pg_catalog.generate_series(1, 100)) TO STDOUT', () => {
      throw new Error('the consumer stumbled');
    });
    await expect(copy).rejects.toMatchObject({ facts: { cause: expect.stringContaining('the consumer stumbled') } });
    expect(wire.isBroken).toBe(true);
  });
});

describe('a COPY in both directions', () => {
  test('hands frames on, takes ours, and ends when we end it', async () => {
    await database.query("SELECT pg_catalog.pg_create_logical_replication_slot('wire', 'test_decoding')");
    const replication = await open({ replication: 'database' });
    const kinds: string[] = [];
    const { started, ended } = replication.copyBoth('START_REPLICATION SLOT "wire" LOGICAL 0/0', (_type, bytes, start) => {
      kinds.push(String.fromCharCode(bytes[start] ?? 0));
    });
    await started;
    await database.query('CREATE TABLE public.t AS SELECT 1 AS n');
    await waitFor('a change', () => kinds.includes('w'));
    // CopyDone: the server ends its own half, and says what it ran.
    replication.writeRaw(Buffer.from([0x63, 0, 0, 0, 4]));
    expect((await ended).tags).toContain('COPY 0');
    expect((await replication.query('IDENTIFY_SYSTEM')).rows).toHaveLength(1);
    await replication.close();
    await database.dropSlots();
  });

  test('that the server refuses rejects both promises', async () => {
    const replication = await open({ replication: 'database' });
    const { started, ended } = replication.copyBoth('START_REPLICATION SLOT "nothing" LOGICAL 0/0', () => {});
    ended.catch(() => {});
    await expect(started).rejects.toMatchObject({ facts: { sqlstate: '42704' } });
    await expect(ended).rejects.toMatchObject({ facts: { sqlstate: '42704' } });
    await replication.close();
  });
});

describe('closing', () => {
  test('leaves no backend, and can be done twice', async () => {
    await wire.close();
    await wire.close();
    await waitFor('the backend to go', async () => {
      const rows = await database.query('SELECT 1 FROM pg_catalog.pg_stat_activity WHERE pid = $1', [wire.backendPid]);
      return rows.length === 0;
    });
  });

  test('does not wait for a statement that takes long, and fails it', async () => {
    const sleeping = wire.query('SELECT pg_catalog.pg_sleep(600)');
    sleeping.catch(() => {});
    await wire.close();
    await expect(sleeping).rejects.toMatchObject({ errorName: 'connection_lost' });
    await terminate(wire);
  });
});

describe('what we rely on in the driver', () => {
  test('an idle session has one data listener on an open socket, and nothing in flight', async () => {
    const session = await connect(database.settings(), { applicationName: 'contract', side: 'destination' });
    expect(session.socket.listenerCount('data')).toBe(1);
    expect(session.socket.writableLength).toBe(0);
    expect(session.socket.readableFlowing).toBe(true);
    expect(session.backendPid).toBeGreaterThan(0);
    await session.close();
  });

  test('a taken socket that closes does not bother anybody', async () => {
    const session = await connect(database.settings(), { applicationName: 'contract', side: 'destination' });
    const taken = new WireSession(session);
    expect(session.socket.listenerCount('data')).toBe(1);
    await taken.query('SELECT 1');
    const closed = once(session.socket, 'close');
    await terminate(taken);
    await closed;
    expect(taken.isBroken).toBe(true);
  });
});

async function open(purpose: Partial<SessionPurpose> = {}): Promise<WireSession> {
  return new WireSession(await connect(database.settings(), { applicationName: 'wire', side: 'destination', ...purpose }));
}

async function terminate(session: WireSession): Promise<void> {
  await database.query('SELECT pg_catalog.pg_terminate_backend($1)', [session.backendPid]);
}

/** Writes lines that no table of one column refuses, and waits for the socket as a good sender does. */
async function writeMuch(sink: CopySink, mebibytes: number): Promise<void> {
  const line = Buffer.concat([Buffer.alloc(64 * 1024 - 1, 'x'), Buffer.from('\n')]);
  for (let n = 0; n < mebibytes * 16; n++) if (!sink.write(line)) await sink.drained();
}

function endsAtMessage(bytes: Buffer): boolean {
  let at = 0;
  while (at < bytes.length) at += 1 + bytes.readInt32BE(at + 1);
  return at === bytes.length;
}
