/** A bad network between the real commands: slower, never wrong. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { NbdSocketClient } from './nbd-socket-client.ts';
import { OxmemLab } from './oxmem-lab.ts';
import { describeRequiring } from './requires.ts';
import { VerifiedLoad } from './verified-load.ts';

const MIB = 2 ** 20;

describeRequiring(['netns', 'raw-socket'], 'a wire that', () => {
  let lab: OxmemLab;
  beforeEach(async () => {
    lab = await OxmemLab.open();
  });
  afterEach(async () => {
    await lab.close();
  });

  const wires: Readonly<Record<string, readonly string[]>> = {
    'loses one frame in fifty each way': ['loss=2%'],
    'doubles and swaps frames': ['dup=2%', 'reorder=2%'],
    'does all of it at once, and is late': [
      'loss=1%',
      'dup=1%',
      'reorder=1%',
      'tx:delay=1ms±500us',
    ],
  };
  for (const [what, faults] of Object.entries(wires)) {
    it(`${what} costs time and not a byte`, async () => {
      const args = [...faults.map((fault) => `--fault=${fault}`), '--seed=1', '--log-format=json'];
      const endpoint = await lab.startEndpoint('16M', args);
      const driver = await lab.startDriver({ args: ['--open-timeout=10s'] });
      const client = await NbdSocketClient.open(driver.socketPath);
      const load = new VerifiedLoad(client, { seed: 17, start: 4096, bytes: 2 * MIB });
      await load.reach(400);
      await load.finishAndCompare();
      await client.disconnect();
      await driver.program.stop();
      const { stderr } = await endpoint.stop();
      const last = JSON.parse(stderr.trimEnd().split('\n').at(-1) ?? '') as Summary;
      const { framesResent, duplicates, outOfOrder } = last.counters.link;
      // The faults did happen.
      expect((framesResent ?? 0) + (duplicates ?? 0) + (outOfOrder ?? 0)).toBeGreaterThan(5);
    });
  }
});

interface Summary {
  readonly counters: { readonly link: Readonly<Record<string, number>> };
}
