import { MockKernel } from '@oxmem/nbd-kernel/mock';
import { RawSocket } from '@oxmem/rawsock';
import { MockNetwork, type MockInterface } from '@oxmem/rawsock/mock';
import { composeEndpoint, type Endpoint } from '@oxmem/sim-endpoint';
import { DEFAULT_ETHER_TYPE } from '@oxmem/tloe-protocol';
import { VirtualClock } from '@oxmem/tloe-protocol/testing';
import { formatMac } from '@oxmem/tloe-protocol/text';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { readCommandLine } from '../src/cli/program.ts';
import { doctor, type DoctorPorts } from '../src/commands/doctor/doctor.ts';
import { DriverError } from '../src/errors.ts';
import { until } from './real-turns.ts';

const PRIVILEGED = {
  '/proc/self/status': 'Name:\tnode\nCapEff:\t000001ffffffffff\n',
  '/proc/self/uid_map': '         0          0 4294967295\n',
  '/sys/module/nbd/parameters/max_part': '8\n',
};

describe('oxmem-bdev doctor', () => {
  let kernel: MockKernel;
  let network: MockNetwork;
  let near: MockInterface;
  let far: MockInterface;
  let clock: VirtualClock;
  let texts: Record<string, string | undefined>;
  let endpoint: Endpoint | undefined;
  let lines: string[];
  let changes: Partial<DoctorPorts>;

  beforeEach(() => {
    kernel = new MockKernel();
    network = new MockNetwork();
    near = network.addInterface({ name: 'drv0' });
    far = network.addInterface({ name: 'end0' });
    clock = new VirtualClock();
    texts = { ...PRIVILEGED };
    lines = [];
    changes = {};
  });
  afterEach(() => {
    endpoint?.close();
    endpoint = undefined;
  });

  function startEndpoint(base = 0): Endpoint {
    const transport = RawSocket.open(
      { interfaceName: 'end0', etherType: DEFAULT_ETHER_TYPE },
      network.binding,
    );
    const options = { sizeBytes: 65536, base: { high: 0, low: base } };
    endpoint = composeEndpoint(options, { transport, clock });
    endpoint.start();
    return endpoint;
  }

  /** Runs the command and gives its exit code; its lines are in `lines`. */
  async function run(...args: string[]): Promise<number> {
    const command = readCommandLine(['doctor', ...args]);
    if (command.kind !== 'doctor') throw new Error(JSON.stringify(command));
    let exitCode: number | undefined;
    const files = {
      ...kernel.files,
      readText: (path: string) => texts[path] ?? kernel.files.readText(path),
    };
    const ports: DoctorPorts = {
      files,
      recordFolder: '/nonexistent',
      mayOpen: () => true,
      clock,
      claim: () => Promise.resolve(),
      release: '6.1.0-test',
      loadNbd: () => kernel.binding,
      loadRaw: () => network.binding,
      print: (line) => lines.push(line),
      ...changes,
    };
    const done = doctor(command.options, ports).then((code) => (exitCode = code));
    await until(clock, () => exitCode !== undefined);
    return await done;
  }

  const toEndpoint = (): string[] => ['--netdev=drv0', `--mac=${formatMac(far.mac)}`];
  const lineWith = (text: string): string => lines.find((line) => line.includes(text)) ?? '';

  it('finds nothing wrong where all is well, and says what it has seen', async () => {
    const served = startEndpoint();
    expect(await run(...toEndpoint())).toBe(0);
    expect(lines).toEqual([
      'ok    kernel 6.1.0-test',
      'ok    the nbd module is loaded, 8 partitions a device',
      'ok    devices can be attached by netlink',
      'ok    may open raw sockets (CAP_NET_RAW)',
      'ok    may attach kernel devices (CAP_SYS_ADMIN)',
      'ok    /dev/nbd0 is free',
      'ok    the native addon of @oxmem/nbd-kernel works',
      'ok    the native addon of @oxmem/rawsock works',
      `ok    drv0 (${formatMac(near.mac)}) is up with carrier, MTU 1500`,
      expect.stringMatching(/^ok {4}\S+ answers, profile oxmem \(.+\), round trip \d+(us|ms)$/),
    ]);
    expect(served.stats().connections).toMatchObject({ opened: 1, closed: 1 });
  });

  it('says what it has not looked at, which is no failure', async () => {
    expect(await run()).toBe(0);
    expect(lineWith('no interface')).toMatch(/^warn .* - give --netdev=DEV \(there is: .*drv0/);
    lines = [];
    expect(await run('--netdev=drv0')).toBe(0);
    expect(lines.at(-1)).toBe('warn  no endpoint was asked - give --mac=MAC');
  });

  it.each([
    ['5.4.0', /^warn .*5\.7/],
    ['4.4.0', /^warn .*4\.12/],
    ['7.0.1', /^ok/],
    ['strange', /^warn/],
  ])('judges kernel %s', async (release, line) => {
    changes = { release };
    await run();
    expect(lines[0]).toMatch(line);
  });

  it.each([
    ['that is on the disk', 'kernel/drivers/block/nbd.ko.xz:\n', /`sudo modprobe nbd max_part=8`$/],
    ['of a kernel that has none', 'kernel/nbdx.ko:\n', /has no nbd module - .*--listen$/],
    ['of a kernel without modules', undefined, /has no nbd module/],
  ])('fails with 4 without the module, %s', async (_, list, line) => {
    kernel.isModuleLoaded = false;
    texts['/lib/modules/6.1.0-test/modules.dep'] = list;
    expect(await run()).toBe(4);
    expect(lineWith('nbd module')).toMatch(/^fail/);
    expect(lineWith('nbd module')).toMatch(line);
    expect(lineWith('netlink')).toMatch(/^warn .*needs the nbd module/);
    expect(lineWith('/dev/nbd0')).toMatch(/^warn .*needs the nbd module/);
  });

  it('warns of a module without partitions, and of one without netlink', async () => {
    texts['/sys/module/nbd/parameters/max_part'] = '0\n';
    kernel.hasNetlink = false;
    expect(await run()).toBe(0);
    expect(lineWith('max_part=0')).toMatch(/^warn/);
    expect(lineWith('by ioctl')).toMatch(/^warn/);
  });

  it.each([
    ['no capability', 'CapEff:\t0000000000000000\n', undefined, /CAP_NET_RAW/],
    [
      'no CAP_SYS_ADMIN',
      'CapEff:\t0000000000002000\n',
      undefined,
      /kernel devices \(CAP_SYS_ADMIN\)/,
    ],
    ['those of a container', PRIVILEGED['/proc/self/status'], '0 1000 1\n', /does not count/],
  ])('fails with 3 with %s', async (_, status, map, line) => {
    texts['/proc/self/status'] = status;
    if (map !== undefined) texts['/proc/self/uid_map'] = map;
    expect(await run()).toBe(3);
    expect(lines.find((each) => each.startsWith('fail'))).toMatch(line);
  });

  it('fails with 4 for a device that is busy, and says by whom and what to do', async () => {
    kernel.device(1).mounts.push({ source: '/dev/nbd1', target: '/mnt' });
    expect(await run('--device=/dev/nbd1')).toBe(4);
    expect(lineWith('/dev/nbd1')).toMatch(/^fail .* mounted on \/mnt - release it/);
    expect(await run('--device=auto')).toBe(0);
    expect(lineWith('is free')).toContain('/dev/nbd0');
  });

  it('says of a device that is served who serves it', async () => {
    kernel.device(0).pid = 4711;
    texts['/proc/4711/comm'] = 'nbd-client\n';
    expect(await run()).toBe(4);
    expect(lineWith('/dev/nbd0')).toMatch(/busy: attached by nbd-client \(process 4711\) - end/);
  });

  it.each([
    ['/dev/nbd9', 'there is no device /dev/nbd9 - name one of /dev/nbd0 to /dev/nbd3'],
    ['/dev/sda', '/dev/sda is not an NBD device - name one of /dev/nbd0 to /dev/nbd3'],
  ])('fails with 4 for %s', async (device, line) => {
    expect(await run(`--device=${device}`)).toBe(4);
    expect(lines).toContain(`fail  ${line}`);
  });

  it('fails with 4 when every device is in use', async () => {
    for (const device of kernel.devices.values()) device.swaps.push(`/dev/nbd${device.index}`);
    expect(await run('--device=auto')).toBe(4);
    expect(lineWith('all 4 NBD devices')).toMatch(/^fail/);
  });

  it('fails with 3 for a node that may not be opened', async () => {
    changes = { mayOpen: () => false };
    expect(await run()).toBe(3);
    expect(lineWith('/dev/nbd0')).toMatch(/^fail .* - .*disk group$/);
  });

  it('fails with 1 without a native addon, and looks at what needs none', async () => {
    const broken = (): never => {
      throw new Error('No native addon of X for Y: build it.');
    };
    changes = { loadNbd: broken, loadRaw: broken };
    expect(await run('--netdev=drv0')).toBe(1);
    expect(lines.filter((line) => line.startsWith('fail'))).toEqual([
      'fail  the native addon of @oxmem/nbd-kernel cannot be loaded - No native addon of X for Y: build it',
      'fail  the native addon of @oxmem/rawsock cannot be loaded - No native addon of X for Y: build it',
    ]);
    expect(lineWith('/dev/nbd0')).toMatch(/^ok/);
    expect(lines.at(-1)).toMatch(/^warn .*needs the addon of @oxmem\/rawsock$/);
  });

  it.each([
    ['is not there', () => {}, 'nix0', /no interface nix0 - there is: .*drv0/],
    ['is down', () => near.setUp(false), 'drv0', /drv0 is down - `sudo ip link set drv0 up`/],
    ['has no cable', () => near.setCarrier(false), 'drv0', /no carrier - plug in/],
    [
      'is a tunnel',
      () => void network.addInterface({ name: 'tun0', isEthernet: false }),
      'tun0',
      /tun0 is no Ethernet interface/,
    ],
  ])('fails with 5 when the interface %s, and asks nobody', async (_, change, name, line) => {
    startEndpoint();
    change();
    expect(await run(`--netdev=${name}`, `--mac=${formatMac(far.mac)}`)).toBe(5);
    expect(lines.find((each) => each.startsWith('fail'))).toMatch(line);
    expect(lines.at(-1)).toBe(`warn  the endpoint was not asked - needs ${name}, see above`);
  });

  it('warns of short frames', async () => {
    near.mtuBytes = 576;
    expect(await run('--netdev=drv0')).toBe(0);
    expect(lineWith('MTU 576')).toMatch(/^warn/);
  });

  it('fails with 5 for a silent endpoint, with what was sent and heard', async () => {
    expect(await run(...toEndpoint(), '--open-timeout=50ms')).toBe(5);
    expect(lines.at(-1)).toMatch(
      /^fail {2}No endpoint answers .* within 50ms: .* frames? sent, 0 frames heard - check that/,
    );
  });

  it('warns when the endpoint answers, and has no memory at the address', async () => {
    startEndpoint(0x10000);
    expect(await run(...toEndpoint())).toBe(0);
    expect(lines.at(-1)).toMatch(/^warn .*answers.*at 0x0 failed.*refused.* - .*--base$/);
    expect(await run(...toEndpoint(), '--base=0x10000')).toBe(0);
    expect(lines.at(-1)).toMatch(/^ok .*round trip/);
  });

  it('leaves an endpoint alone that a driver talks to', async () => {
    const served = startEndpoint();
    const claim = (): Promise<void> =>
      Promise.reject(new DriverError('ERR_OXMEM_ENDPOINT_TAKEN', 'taken'));
    changes = { claim };
    expect(await run(...toEndpoint())).toBe(0);
    expect(lines.at(-1)).toMatch(/^warn .*not asked: an oxmem-bdev talks to it/);
    expect(served.stats().connections).toMatchObject({ opened: 0 });
  });

  it('does not ask without the right to open a raw socket', async () => {
    texts['/proc/self/status'] = 'CapEff:\t0000000000200000\n';
    startEndpoint();
    expect(await run(...toEndpoint())).toBe(3);
    expect(lines.at(-1)).toBe('warn  the endpoint was not asked - needs CAP_NET_RAW, see above');
  });

  it('tells what the first failure was by the exit code', async () => {
    kernel.isModuleLoaded = false;
    texts['/proc/self/status'] = 'CapEff:\t0000000000000000\n';
    expect(await run('--netdev=nix0')).toBe(4);
  });
});
