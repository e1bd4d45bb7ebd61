// An object joins the stream at a boundary where nothing of it is left aside, and not before: otherwise a change would be lost or come twice.
import { describe, expect, test } from 'vitest';
import { textRows } from '../model/batch/text-rows.ts';
import { type Lsn, parseLsn } from '../pg/lsn.ts';
import { parseSnapshot } from '../pg/snapshot.ts';
import { Aside } from './aside.ts';
import type { LiveObject } from './live-object.ts';
import type { Spool } from './ports.ts';

const COMMIT = Buffer.from('C');
const CHANGE = Buffer.from('I');

describe('an object that catches up', () => {
  test('joins at a boundary when nothing was kept', () => {
    const { aside, object } = setup();
    aside.expect(object);
    expect(aside.join(lsn(500), false)).toEqual([object]);
    expect(object).toMatchObject({ state: 'streaming', applied: lsn(500), handoff: null });
    expect(aside.join(lsn(600), false)).toEqual([]);
  });

  test('never goes back when it was further than the boundary', () => {
    const { aside, object } = setup({ applied: lsn(900) });
    aside.expect(object);
    aside.join(lsn(500), false);
    expect(object.applied).toBe(lsn(900));
  });

  test('waits while anything is kept, even a part of a transaction', () => {
    const { aside, object, spools } = setup();
    aside.keep(object, CHANGE, 0, 1);
    aside.expect(object);
    expect(aside.join(lsn(500), false)).toEqual([]);
    expect(aside.readableBytes).toBe(0);
    aside.keep(object, COMMIT, 0, 1);
    expect(aside.readableBytes).toBe(2);
    expect(aside.join(lsn(600), false)).toEqual([]);
    spools[0]?.read();
    expect(aside.join(lsn(700), false)).toEqual([object]);
    expect(spools[0]?.isClosed).toBe(true);
  });

  test('waits for the position at which its load ended', () => {
    const { aside, object } = setup({ handoff: { snapshot: parseSnapshot('10:10:'), end: lsn(800), overlap: false } });
    aside.expect(object);
    expect(aside.join(lsn(799), false)).toEqual([]);
    expect(aside.join(lsn(800), false)).toEqual([object]);
  });

  test('counts nothing of those that still load', () => {
    const { aside, object } = setup({ state: 'copying' });
    aside.keep(object, CHANGE, 0, 1);
    aside.keep(object, COMMIT, 0, 1);
    aside.expect(object);
    expect(aside.readableBytes).toBe(0);
    expect(aside.join(lsn(500), false)).toEqual([]);
  });

  test('leaves nothing open when it is forgotten or everything ends', () => {
    const { aside, object, spools } = setup();
    aside.keep(object, CHANGE, 0, 1);
    aside.forget(object);
    expect(aside.join(lsn(500), false)).toEqual([]);
    aside.keep(object, CHANGE, 0, 1);
    aside.close();
    expect(spools.map((spool) => spool.isClosed)).toEqual([true, true]);
  });
});

function lsn(position: number): Lsn {
  return parseLsn(`0/${position.toString(16)}`);
}

function setup(of: Partial<LiveObject> = {}) {
  const object: LiveObject = {
    key: 'public.t',
    source: { schema: 'public', name: 't' },
    sourceOid: 1,
    state: 'catching_up',
    applied: lsn(100),
    handoff: null,
    expected: [],
    identity: ['id'],
    deletes: 'hard',
    shape: null,
    ...of,
  };
  const spools: CountingSpool[] = [];
  const openSpool = (): CountingSpool => {
    const spool = new CountingSpool();
    spools.push(spool);
    return spool;
  };
  const lane = { flush: () => Promise.resolve(), commit: () => Promise.resolve() };
  return { object, spools, aside: new Aside({ format: textRows, lane, batchBytes: 1_000, openSpool, reshape: noReshape, nowMs: () => 1 }) };
}

/** Remembers how much it holds, and nothing of it. */
class CountingSpool implements Spool {
  readableBytes = 0;
  isClosed = false;
  #appendedBytes = 0;

  get isEmpty(): boolean {
    return this.#appendedBytes === 0;
  }

  append(_bytes: Buffer, start: number, end: number): void {
    this.#appendedBytes += end - start;
  }

  markCommit(): void {
    this.readableBytes = this.#appendedBytes;
  }

  read(): void {
    this.readableBytes = 0;
    this.#appendedBytes = 0;
  }

  close(): void {
    this.isClosed = true;
  }
}

function noReshape(): Promise<never> {
  return Promise.reject(new Error('no table was to follow'));
}
