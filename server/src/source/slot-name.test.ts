import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { replicationNames } from './slot-name.ts';

describe('the names of what a pipeline makes on its source', () => {
  test('show the pipeline and tell equal-looking ones apart', () => {
    const names = replicationNames('Shop → Warehouse', 'shop');
    expect(names.slot).toMatch(/^millrace_shop_warehouse_[0-9a-f]{12}$/);
    expect(names.publications).toEqual({ full: names.slot, insertOnly: `${names.slot}_ins` });
    expect(replicationNames('shop warehouse', 'shop').slot).not.toBe(names.slot);
    expect(replicationNames('Shop → Warehouse', 'other').slot).not.toBe(names.slot);
    expect(replicationNames('Shop → Warehouse', 'shop')).toEqual(names);
  });

  test('are still a name when nothing of the pipeline can be shown', () => {
    expect(replicationNames('🦆', '').slot).toMatch(/^millrace_[0-9a-f]{12}$/);
  });

  test('fit a slot whatever the pipeline is called', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 255 }), fc.string(), (pipeline, scope) => {
        const { slot, publications } = replicationNames(pipeline, scope);
        expect(slot).toMatch(/^millrace_[a-z0-9_]{1,50}$/);
        expect(publications.insertOnly.length).toBeLessThanOrEqual(63);
        expect(publications.insertOnly).not.toBe(publications.full);
      }),
    );
  });
});
