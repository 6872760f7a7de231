/**
 * `kill -9` of the driver at random moments under load: every write that was acknowledged before is
 * there after, and no old one comes late. The endpoint lives on; each successor has the same address.
 */
import { Prng } from '@oxmem/tloe-protocol/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeRequiring } from './requires.ts';
import { LoadMeter } from './soak/load-meter.mjs';
import { SoakLab } from './soak/soak-lab.mjs';
import { SoakLoad } from './soak/soak-load.mjs';

const kills = Number(process.env['OXMEM_KILLS'] ?? 30);
const seed = Number(process.env['OXMEM_SEED'] ?? 1);
const WORKERS = 16;
const PLACE = { seed, workers: WORKERS, stretchBytes: 65_536, spacingBytes: 69_635 };
/** Frames that are late, doubled or out of order are still on their way when the driver dies. */
const WIRES = [[], [], ['loss=1%', 'dup=2%', 'reorder=2%'], ['rx:delay=2ms±2ms', 'dup=2%']];

describeRequiring(['netns', 'raw-socket'], 'a driver that is killed under load', () => {
  let lab: SoakLab;
  beforeEach(async () => {
    lab = await SoakLab.open({ sizeBytes: 2 ** 21, seed });
    await lab.startEndpoint();
  });
  afterEach(async () => {
    await lab.close();
  });

  const limit = 60_000 + kills * 5_000;
  it(`loses no acknowledged write, ${kills} times`, { timeout: limit }, async () => {
    const prng = new Prng(seed).fork('kills');
    const meter = new LoadMeter();
    const style = { name: 'kills', depth: WORKERS, sizes: 'mixed' } as const;
    await lab.startDriver();
    const load = new SoakLoad({ slot: lab.slot, meter }, PLACE, style);
    for (let kill = 0; kill < kills; kill++) {
      await lab.setFaults(prng.pick(WIRES));
      await reached(load, () => load.isAllVerified());
      const before = meter.total.requests;
      await reached(load, () => meter.total.requests >= before + WORKERS);
      await load.runFor(prng.between(5, 200));
      await lab.killDriver();
      await lab.startDriver();
    }
    await load.finish();
    expect(load.isAllVerified()).toBe(true);
    expect(await lab.stopDriver()).toContain('writes of');
    // Each kill cut requests off, and nothing else went wrong.
    const { errors, requests } = meter.total;
    expect([...errors.keys()], lab.logs().driver).toEqual(['connection ended']);
    expect(errors.get('connection ended')).toBeGreaterThan(kills);
    console.log(
      `${kills} kills, seed ${seed}: ${requests} requests, ${load.bytesVerified} bytes read`,
    );
  });
});

/** Waits, but not for ever, and not over a wrong byte. */
async function reached(load: SoakLoad, isReached: () => boolean): Promise<void> {
  for (let waited = 0; !isReached(); waited += 5) {
    if (waited > 20_000)
      throw new Error(`open for ${load.oldest().ms} ms: ${load.oldest().request}`);
    await load.runFor(5);
  }
}
