/** The laboratory itself: what the guest's kernel has that the tests stand on. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { runProgram } from '../lab-program.ts';
import { isInPrivateNetwork, openVethLab } from '../netns.ts';
import type { VethLab } from '../netns.ts';
import { describeRequiring } from '../requires.ts';
import { runInTime } from './kernel-programs.ts';

describeRequiring(['test-guest', 'real-root', 'netns', 'nbd'], 'the guest', () => {
  let wire: VethLab | undefined;
  afterEach(async () => {
    await wire?.close();
    wire = undefined;
  });

  it('has sixteen NBD devices, all free and with room for partitions', () => {
    const devices = readdirSync('/sys/block').filter((name) => /^nbd\d+$/.test(name));
    expect(devices).toHaveLength(16);
    for (const name of devices) {
      expect(existsSync(join('/dev', name))).toBe(true);
      expect(existsSync(`/sys/block/${name}/pid`)).toBe(false);
      expect(readFileSync(`/sys/block/${name}/size`, 'utf8').trim()).toBe('0');
    }
    const maxPart = readFileSync('/sys/module/nbd/parameters/max_part', 'utf8');
    expect(maxPart.trim()).toBe('15');
  });

  it("is in the first network namespace, where the NBD driver's netlink family is", async () => {
    expect(isInPrivateNetwork()).toBe(true);
    expect(await runInTime('genl', 'ctrl', 'list')).toMatch(/Name: nbd$/m);
  });

  it('joins two namespaces by a veth pair and loses every frame when netem is told to', async () => {
    wire = await openVethLab();
    const { local, peer } = wire;
    await runInTime('ip', 'address', 'add', '192.0.2.1/30', 'dev', local.name);
    wire.runInPeer(['ip', 'address', 'add', '192.0.2.2/30', 'dev', peer.name]);
    const ping = ['busybox', 'ping', '-c', '3', '-W', '2', '192.0.2.2'];
    expect((await runProgram(ping)).code).toBe(0);
    await runInTime('tc', 'qdisc', 'add', 'dev', local.name, 'root', 'netem', 'loss', '100%');
    expect((await runProgram(ping)).stdout).toMatch(/ 100% packet loss/);
    await runInTime('tc', 'qdisc', 'del', 'dev', local.name, 'root');
    expect((await runProgram(ping)).code).toBe(0);
  });

  for (const name of ['xfs', 'btrfs', 'dm-mod', 'raid1', 'dm-crypt']) {
    it(`can load ${name}`, async () => {
      await runInTime('modprobe', name);
      expect(existsSync(`/sys/module/${name.replaceAll('-', '_')}`)).toBe(true);
    });
  }
});
