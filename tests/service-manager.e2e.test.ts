/** The driver under a service manager: what arrives at the socket that NOTIFY_SOCKET names. */
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { LabProgram } from './lab-program.ts';
import { OxmemLab } from './oxmem-lab.ts';
import { describeRequiring } from './requires.ts';

/** Prints each datagram as a line of JSON, with the process that sent it. */
const receiver = `
import json, socket, struct, sys
address = sys.argv[1]
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
receiver.bind("\\0" + address[1:] if address.startswith("@") else address)
print("bound", flush=True)
while True:
    text, extras, _, _ = receiver.recvmsg(65536, socket.CMSG_SPACE(12))
    pid = struct.unpack("3i", extras[0][2])[0]
    print(json.dumps({"pid": pid, "text": text.decode()}), flush=True)
`;

describeRequiring(
  ['netns', 'raw-socket', 'command:python3'],
  'a driver that a service manager has started',
  () => {
    let lab: OxmemLab;
    beforeEach(async () => {
      lab = await OxmemLab.open();
      await lab.startEndpoint('1M');
    });
    afterEach(async () => {
      await lab.close();
    });

    async function listenAt(address: string): Promise<LabProgram> {
      const program = lab.start(['python3', '-c', receiver, address]);
      await program.waitFor('stdout', /^bound$/m);
      return program;
    }

    function startDriver(...environment: string[]): LabProgram {
      // env becomes the driver: no process stands between.
      const argv = [...lab.driverArgv(), `--listen=unix:${lab.path('s')}`];
      return lab.start(['env', ...environment, ...argv]);
    }

    it.each(['path', 'abstract'])(
      'says that it is ready, shows life, says that it stops: %s',
      async (kind) => {
        const address = kind === 'path' ? lab.path('notify') : `@oxmem-test-${process.pid}`;
        const manager = await listenAt(address);
        const driver = startDriver(`NOTIFY_SOCKET=${address}`, 'WATCHDOG_USEC=200000');
        await lab.waitUntilReady(driver);
        await manager.waitFor('stdout', /(WATCHDOG=1.*\n.*){3}/);
        expect(childrenOf(driver.pid)).toBe('');
        expect((await driver.stop()).code).toBe(0);
        await manager.waitFor('stdout', /STOPPING=1/);
        await manager.stop('SIGKILL');

        const told = manager.stdout.trimEnd().split('\n').slice(1).map(parse);
        // No helper: systemd's NotifyAccess=main is enough.
        expect(new Set(told.map(({ pid }) => pid))).toEqual(new Set([driver.pid]));
        const texts = told.map(({ text }) => text);
        expect(texts[0]).toMatch(/^READY=1\nSTATUS=unix:.* on [0-9a-f:]+ via \S+$/);
        // It shows life until its very end.
        const others = texts.slice(1).filter((text) => text !== 'WATCHDOG=1');
        expect(others).toEqual(['STOPPING=1\nSTATUS=stops']);
      },
    );

    it('serves all the same when nobody listens there, and says so once', async () => {
      const driver = startDriver(`NOTIFY_SOCKET=${lab.path('nobody')}`, 'WATCHDOG_USEC=20000');
      await lab.waitUntilReady(driver);
      const { code, stderr } = await driver.stop();
      expect(code).toBe(0);
      expect(stderr.match(/cannot be told anything/g)).toHaveLength(1);
    });
  },
);

interface Told {
  readonly pid: number;
  readonly text: string;
}

function parse(line: string): Told {
  return JSON.parse(line) as Told;
}

/** Process ids, as the kernel has them. */
function childrenOf(pid: number): string {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
}
