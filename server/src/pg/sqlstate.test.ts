// Which failures heal by themselves decides between a retry and a stop: both mistakes hurt.
import { describe, expect, it } from 'vitest';
import { isTransientSqlState, SqlState, sqlStateClass } from './sqlstate.ts';

describe('SQLSTATEs', () => {
  it('are five characters each and named once', () => {
    const states = Object.values(SqlState);
    expect(states.every((state) => /^[0-9A-Z]{5}$/.test(state))).toBe(true);
    expect(new Set(states).size).toBe(states.length);
  });

  it('have a class', () => {
    expect(sqlStateClass('08006')).toBe('08');
  });

  it.each(['08006', '08P01', '40001', '40P01', '53300', '53100', '55P03', '55006', '57P01', '57P03'])(
    '%s heals when tried again',
    (state) => {
      expect(isTransientSqlState(state)).toBe(true);
    },
  );

  it.each(['22P02', '23505', '25006', '28P01', '3D000', '42501', '42P01', '53400', '54000', '55000', '57014', '57P04', 'XX001'])(
    '%s does not heal by itself',
    (state) => {
      expect(isTransientSqlState(state)).toBe(false);
    },
  );
});
