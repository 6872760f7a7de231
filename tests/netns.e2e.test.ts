import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import { openVethLab } from './netns.ts';
import type { LabInterface, VethLab } from './netns.ts';
import { describeRequiring } from './requires.ts';

describeRequiring(['netns', 'raw-socket', 'command:python3'], 'the veth lab', () => {
  const labs: VethLab[] = [];
  afterEach(async () => {
    for (const lab of labs.splice(0)) await lab.close();
  });
  async function openLab(options?: Parameters<typeof openVethLab>[0]): Promise<VethLab> {
    const lab = await openVethLab(options);
    labs.push(lab);
    return lab;
  }

  it('carries a raw frame from the local interface to the peer', async () => {
    const lab = await openLab();
    const { text } = await startReceiver(lab, lab.peer.name);
    sendFrame(lab.local, lab.peer.mac, 'hello');
    expect(await text).toBe('hello');
  });

  it('lets nothing cross but what was sent', async () => {
    const lab = await openLab();
    sendFrame(lab.local, lab.peer.mac, 'one');
    sendFrame(lab.local, lab.peer.mac, 'two');
    // Router solicitations and multicast reports would come within a second of the link coming up.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const counters = lab.runInPeer(['cat', '/proc/net/dev']);
    expect(receivedPackets(counters, lab.peer.name)).toBe(2);
    expect(receivedPackets(readFileSync('/proc/self/net/dev', 'utf8'), lab.local.name)).toBe(0);
  });

  it('has the MTU that was asked for, at both ends', async () => {
    const lab = await openLab({ mtuBytes: 9000 });
    expect(lab.runInPeer(['ip', '-o', 'link', 'show', lab.peer.name])).toContain('mtu 9000');
    const local = spawnSync('ip', ['-o', 'link', 'show', lab.local.name], { encoding: 'utf8' });
    expect(local.stdout).toContain('mtu 9000');
  });

  it('joins several local interfaces with different MAC addresses to one peer', async () => {
    const lab = await openLab({ localCount: 2 });
    const [first, second] = lab.locals;
    if (first === undefined || second === undefined) throw new Error('two were asked for');
    expect(new Set([first.mac, second.mac, lab.peer.mac]).size).toBe(3);
    for (const local of [first, second]) {
      const { text } = await startReceiver(lab, lab.peer.name);
      sendFrame(local, lab.peer.mac, `from ${local.name}`);
      expect(await text).toBe(`from ${local.name}`);
    }
  });

  it('leaves neither namespace nor interface when closed, and closes twice', async () => {
    const lab = await openLab();
    expect(readlinkSync(`/proc/${lab.peerPid}/ns/net`)).not.toBe(readlinkSync('/proc/self/ns/net'));
    await lab.close();
    await lab.close();
    expect(existsSync(`/proc/${lab.peerPid}`)).toBe(false);
    expect(readFileSync('/proc/self/net/dev', 'utf8')).not.toContain(`${lab.local.name}:`);
  });

  it('can be opened again under the same names after a close', async () => {
    const first = await openLab();
    await first.close();
    const second = await openLab();
    expect(second.local.name).toBe(first.local.name);
  });

  it('reports the message of a program that fails in the peer', async () => {
    const lab = await openLab();
    expect(() => lab.runInPeer(['ip', 'link', 'show', 'nosuch0'])).toThrow(/nosuch0/);
  });
});

const ETHERTYPE = 0xaaaa;

function sendFrame(from: LabInterface, destinationMac: string, text: string): void {
  const script = [
    'import socket, sys',
    'name, to, own, text = sys.argv[1:5]',
    'mac = lambda s: bytes.fromhex(s.replace(":", ""))',
    's = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)',
    's.bind((name, 0))',
    `s.send(mac(to) + mac(own) + (${ETHERTYPE}).to_bytes(2, "big") + text.encode().ljust(46, b"\\0"))`,
  ].join('\n');
  const args = ['-c', script, from.name, destinationMac, from.mac, text];
  const result = spawnSync('python3', args, { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(result.stderr);
}

/** Resolves once the receiver is bound; its own promise is the text of the first frame. */
function startReceiver(lab: VethLab, name: string): Promise<{ text: Promise<string> }> {
  const script = [
    'import socket, sys',
    `s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(${ETHERTYPE}))`,
    's.bind((sys.argv[1], 0))',
    's.settimeout(10)',
    'print("bound", flush=True)',
    'print(s.recv(2048)[14:].rstrip(b"\\0").decode(), flush=True)',
  ].join('\n');
  const [program = '', ...args] = lab.peerArgv(['python3', '-c', script, name]);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  return new Promise((resolve, reject) => {
    let printed = '';
    child.stdout.on('data', (chunk: Buffer) => {
      printed += chunk.toString();
      if (printed.startsWith('bound\n')) resolve({ text });
    });
    child.on('error', reject);
    const text = new Promise<string>((done) => {
      child.on('close', () => done(printed.split('\n')[1] ?? ''));
    });
  });
}

function receivedPackets(table: string, name: string): number {
  const line = table.split('\n').find((text) => text.trim().startsWith(`${name}:`));
  return Number(line?.split(':')[1]?.trim().split(/\s+/)[1] ?? NaN);
}
