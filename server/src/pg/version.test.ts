// Version numbers and features: the first major version of each feature is a fact of the release notes.
import { describe, expect, it } from 'vitest';
import { firstMajorWith, formatServerVersion, hasFeature, parseServerVersion } from './version.ts';

describe('a server version', () => {
  it('is read from server_version_num', () => {
    expect(parseServerVersion('150018')).toEqual({ number: 150_018, major: 15 });
    expect(formatServerVersion(parseServerVersion('150018'))).toBe('15.18');
    expect(parseServerVersion('180004').major).toBe(18);
  });

  it.each(['', '90624', '15.3', '150018 (Debian)', '-150018', '1500180'])('is refused when it reads %j', (text) => {
    expect(() => parseServerVersion(text)).toThrow(TypeError);
  });

  it('has a feature from its first major version on', () => {
    const features = ['publishViaRoot', 'pgoutputBinary', 'multirange', 'failoverSlots', 'publishGeneratedColumns'] as const;
    expect(features.map(firstMajorWith)).toEqual([13, 14, 14, 17, 18]);
    for (const feature of features) {
      const first = firstMajorWith(feature);
      expect(hasFeature(parseServerVersion(`${first}0000`), feature)).toBe(true);
      expect(hasFeature(parseServerVersion(`${first - 1}0025`), feature)).toBe(false);
    }
  });
});
