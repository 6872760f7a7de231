import { ArrayMemory } from '@oxmem/tloe-protocol/testing';
import { describe, expect, it } from 'vitest';
import { SCENARIOS, junitXml } from '../src/index.ts';
import { VirtualCheck } from './virtual-check.ts';

const SIZE = 2 ** 16;

function patternedMemory(): ArrayMemory {
  const memory = new ArrayMemory(SIZE);
  memory.region.bytes.forEach((_, i, bytes) => {
    bytes[i] = (i * 31 + (i >> 8)) & 0xff;
  });
  return memory;
}

describe('a check', () => {
  it('leaves the memory as it was', async () => {
    const memory = patternedMemory();
    const before = memory.region.bytes.slice();
    const check = new VirtualCheck({ sizeBytes: SIZE, memory }, 8192);
    expect(await check.begin()).toBe(true);
    for (const scenario of SCENARIOS) await check.play(scenario);
    expect(memory.region.bytes.subarray(0, 8192)).not.toEqual(before.subarray(0, 8192));
    expect(memory.region.bytes.subarray(8192)).toEqual(before.subarray(8192));
    expect(await check.finish()).toBe('restored');
    check.settle();
    expect(memory.region.bytes).toEqual(before);
    expect(check.endpoint.stats().connectionsOpen).toBe(0);
  });

  it('says that it could not put back what it could not read', async () => {
    const check = new VirtualCheck({ sizeBytes: SIZE, faults: ['deny=100%'] });
    expect(await check.begin()).toBe(true);
    expect(await check.finish()).toBe('not-read');
  });

  it('says that it could not put back what an endpoint that is gone holds', async () => {
    const check = new VirtualCheck({ persona: 'memnode' });
    await check.begin();
    for (const scenario of SCENARIOS) await check.play(scenario);
    expect(await check.finish()).toBe('not-restored');
  });

  it('tells that nobody answers', async () => {
    const check = new VirtualCheck({ faults: ['rx:loss=100%'] });
    expect(await check.begin()).toBe(false);
  });

  it('reports in JUnit XML, whatever an endpoint has done', async () => {
    const check = new VirtualCheck({ persona: 'memnode' });
    const results = [];
    for (const name of ['access-8', 'cached-channels', 'partial-write']) {
      const scenario = SCENARIOS.find((each) => each.name === name);
      if (scenario !== undefined) results.push(await check.play(scenario));
    }
    const [first] = results;
    if (first !== undefined) results.push({ ...first, outcome: 'fail' as const, detail: '<&"> ' });
    const xml = junitXml('02:00:00:00:00:0b', results);
    expect(xml).toContain('tests="4" failures="2" skipped="1" errors="0"');
    expect(xml).toContain('<failure message="it does not answer"/>');
    expect(xml).toContain('<failure message="&lt;&amp;&quot;&gt; "/>');
    expect(xml).toContain('<skipped message="it grants none"/>');
    expect(xml.match(/<testcase /g)).toHaveLength(4);
  });
});
