/** The export with TLS: certificates made as the README says, the clients that people use. */
import { execFileSync } from 'node:child_process';
import { createHash, createPrivateKey, randomBytes } from 'node:crypto';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect as connectPlain, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectSecurely } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Option, OptionReply } from '@oxmem/nbd-protocol';
import { loadTlsCredentials } from '../packages/oxmem-bdev/src/server/tls-credentials.ts';
import { runClient, runProgram } from './lab-program.ts';
import { OxmemLab, driverCommand } from './oxmem-lab.ts';
import type { LabDriver } from './oxmem-lab.ts';
import { namedBlock } from './readme-blocks.ts';
import { describeRequiring, itRequiring } from './requires.ts';

const MIB = 2 ** 20;

describeRequiring(['netns', 'raw-socket', 'command:openssl'], 'an export with TLS', () => {
  let lab: OxmemLab;
  /** Asks clients for a certificate. */
  let strict: LabDriver;
  let port: number;
  /** Asks for none; on a unix socket. */
  let open: LabDriver;
  /** One that starts TLS and then says nothing, all the time. */
  let mute: Promise<{ closedAfterMs: number }>;
  beforeAll(async () => {
    lab = await OxmemLab.open({ places: 2 });
    makeCertificates(lab.folder);
    await lab.startEndpoint('64M');
    const files = ['--tls-cert=server-cert.pem', '--tls-key=server-key.pem'];
    const args = [...files, '--tls-ca=ca-cert.pem'].map(inFolder);
    strict = await lab.startDriver({ args: [...args, '--listen=tcp:127.0.0.1:0'] });
    port = Number(/tcp:127\.0\.0\.1:(\d+)/.exec(strict.program.stdout)?.[1]);
    mute = dial(port).then(async (socket) => {
      const startedMs = performance.now();
      const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
      await startTlsOn(socket, [Buffer.from([0, 0, 0, 3]), option(Option.STARTTLS)]);
      await closed;
      return { closedAfterMs: performance.now() - startedMs };
    });
    open = await lab.startDriver({ place: 1, args: files.map(inFolder) });
  });
  afterAll(async () => {
    await lab?.close();
  });

  function inFolder(option: string): string {
    return option.replace('=', `=${lab.folder}/`);
  }

  /** For libnbd's clients: all certificates, or those of a client that nobody knows. */
  function uri(folder = lab.folder): string {
    return `nbds://localhost:${port}/?tls-certificates=${folder}`;
  }

  itRequiring(['command:nbdcopy'], 'returns what nbdcopy put in', async () => {
    const [before, after] = [lab.path('before'), lab.path('after')];
    writeFileSync(before, randomBytes(64 * MIB));
    await runClient(['nbdcopy', before, uri()]);
    await runClient(['nbdcopy', uri(), after]);
    expect(sha256(after)).toBe(sha256(before));
  });

  itRequiring(['command:nbdinfo'], 'tells nbdinfo about itself, encrypted', async () => {
    expect(await runClient(['nbdinfo', uri()])).toMatch(/^protocol: newstyle-fixed with TLS/);
  });

  itRequiring(['command:qemu-img'], 'is read and written by QEMU', async () => {
    const image = lab.path('image');
    writeFileSync(image, randomBytes(MIB));
    const credentials = `tls-creds-x509,id=tls0,dir=${lab.folder},endpoint=client`;
    const target = `driver=nbd,host=localhost,port=${port},tls-creds=tls0`;
    const qemu = ['--object', credentials, '--image-opts', target];
    const size = ['--target-image-opts', '-n', '-f', 'raw', image, target];
    await runClient(['qemu-img', 'convert', '--object', credentials, ...size]);
    const bytes = ['-c', 'read -v 1048000 16'];
    const shown = await runClient(['qemu-io', '-r', ...qemu, ...bytes]);
    const digits = shown.match(/: +((?:[0-9a-f]{2} ){16})/)?.[1]?.replaceAll(' ', '');
    expect(digits).toBe(readFileSync(image).toString('hex', 1_048_000, 1_048_016));
  });

  itRequiring(['command:nbdinfo'], 'is on a unix socket, too, open to its owner', async () => {
    const address = `nbds+unix:///?socket=${open.socketPath}&tls-hostname=localhost`;
    const noKey = folderOf('no-key', ['ca-cert.pem']);
    const output = await runClient(['nbdinfo', `${address}&tls-certificates=${noKey}`]);
    expect(output).toMatch(/with TLS/);
  });

  itRequiring(['command:nbdinfo'], 'refuses a client without a certificate', async () => {
    const { code } = await runProgram(['nbdinfo', uri(folderOf('no-key', ['ca-cert.pem']))]);
    expect(code).not.toBe(0);
    await strict.program.waitFor(
      'stderr',
      /client \d+ closed: TLS failed: the client's certificate is missing or bad/,
    );
  });

  it('refuses a certificate that others have signed', async () => {
    const other = folderOf('other', []);
    makeCertificates(other);
    copyFileSync(lab.path('ca-cert.pem'), join(other, 'ca-cert.pem'));
    const socket = await dial(port);
    await startTlsOn(socket, [Buffer.from([0, 0, 0, 3]), option(Option.STARTTLS)]);
    await secure(socket, other);
    await strict.program.waitFor(
      'stderr',
      /TLS failed: the client's certificate is missing or bad \([A-Z_]+\)/,
    );
  });

  itRequiring(['command:nbdinfo'], 'tells a client that it must use TLS', async () => {
    const { code, stderr } = await runProgram(['nbdinfo', `nbd://localhost:${port}`]);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/server replied with error/);
  });

  it('serves on while others break TLS in every state', async () => {
    const file = lab.path('steady');
    writeFileSync(file, randomBytes(16 * MIB));
    const good = lab.start(['nbdcopy', file, `${uri()}`]);
    const [flags, startTls] = [Buffer.from([0, 0, 0, 3]), option(Option.STARTTLS)];
    const stages: readonly ((socket: Socket) => Promise<void>)[] = [
      // Leaves, or speaks nonsense, before the handshake, in it, and after it.
      async (socket) => void socket.write(Buffer.concat([flags, startTls])),
      async (socket) => void socket.write(Buffer.concat([flags, startTls, option(Option.GO)])),
      async (socket) => {
        await startTlsOn(socket, [flags, startTls]);
        socket.write(randomBytes(20_000));
      },
      async (socket) => {
        await startTlsOn(socket, [flags, startTls]);
        // The beginning of a record of TLS that never ends.
        socket.write(Buffer.from([0x16, 3, 1, 0x40, 0, 1]));
      },
      async (socket) => {
        await startTlsOn(socket, [flags, startTls]);
        await secure(socket, lab.folder);
        socket.write(randomBytes(20_000));
      },
    ];
    for (let round = 0; round < 4; round++) {
      for (const stage of stages) {
        const socket = await dial(port);
        await stage(socket);
        if (round % 2 === 0) socket.destroy();
        else socket.end();
      }
    }
    expect(await good.waitForEnd(30_000)).toMatchObject({ code: 0 });
    const compare = ['nbdcopy', uri(), lab.path('copy')];
    await runClient(compare);
    const copy = readFileSync(lab.path('copy')).subarray(0, 16 * MIB);
    expect(Buffer.compare(copy, readFileSync(file))).toBe(0);
  });

  it('does not start with files that will not do', async () => {
    const argv = [...driverCommand, '--netdev=lo', '--mac=02:00:00:00:00:01', '--size=1M'];
    const files = ['--tls-cert=server-cert.pem', '--tls-key=client-key.pem'].map(inFolder);
    const listen = `--listen=unix:${lab.path('never.sock')}`;
    const { code, stderr } = await runProgram([...argv, listen, ...files]);
    expect(stderr).toMatch(/^oxmem-bdev: --tls-key: ".*" is not the key of the cert.*\.\n$/);
    expect(code).toBe(2);
  });

  it.each([
    [{ cert: 'none.pem' }, /^--tls-cert: ".*none\.pem" cannot be read \(ENOENT\); name a file/],
    [{ ca: '.' }, /^--tls-ca: ".*" cannot be read \(EISDIR\)/],
    [{ cert: 'server-key.pem' }, /^--tls-cert: ".*" holds no certificate in PEM format/],
    [{ key: 'server-cert.pem' }, /^--tls-key: ".*" holds no private key in PEM format/],
    [{ key: 'encrypted.pem' }, /^--tls-key: ".*" is encrypted; take the passphrase off/],
    // OpenSSL itself would take this one for an authority that has signed nothing.
    [{ ca: 'empty.pem' }, /^--tls-ca: ".*" holds no certificate in PEM format/],
  ])('says what is wrong with %j', (change, sentence) => {
    writeFileSync(lab.path('empty.pem'), '');
    const key = createPrivateKey(readFileSync(lab.path('server-key.pem')));
    const locked = {
      format: 'pem',
      type: 'pkcs8',
      cipher: 'aes-256-cbc',
      passphrase: 'x',
    } as const;
    writeFileSync(lab.path('encrypted.pem'), key.export(locked));
    const names = { cert: 'server-cert.pem', key: 'server-key.pem', ca: 'ca-cert.pem', ...change };
    const [cert, keyPath, ca] = [names.cert, names.key, names.ca].map((name) => lab.path(name));
    const files = { cert: cert!, key: keyPath!, ca };
    expect(() => loadTlsCredentials(files, () => {})).toThrow(sentence);
  });

  it('warns of a key that everybody can read', () => {
    const [cert, key] = [lab.path('server-cert.pem'), lab.path('key-of-all.pem')];
    copyFileSync(lab.path('server-key.pem'), key);
    const warnings: string[] = [];
    for (const mode of [0o600, 0o644]) {
      chmodSync(key, mode);
      loadTlsCredentials({ cert, key, ca: undefined }, (text) => warnings.push(text));
    }
    expect(warnings).toEqual([expect.stringMatching(/^--tls-key: .* \(chmod 600 /) as string]);
  });

  it('gives the handshakes of NBD and of TLS ten seconds together', async () => {
    const { closedAfterMs } = await mute;
    expect(closedAfterMs).toBeGreaterThan(9_000);
    expect(closedAfterMs).toBeLessThan(15_000);
    await strict.program.waitFor('stderr', /closed: the handshake took too long/);
  });

  /** A folder of its own with some of the certificates. */
  function folderOf(name: string, files: readonly string[]): string {
    const folder = lab.path(name);
    mkdirSync(folder, { recursive: true });
    for (const file of files) copyFileSync(lab.path(file), join(folder, file));
    return folder;
  }
});

/** Runs the README's commands. */
function makeCertificates(folder: string): void {
  const script = namedBlock('packages/oxmem-bdev/README.md', 'certificates').text;
  execFileSync('sh', ['-e', '-c', script], { cwd: folder, stdio: 'pipe' });
}

function option(code: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.write('IHAVEOPT', 0, 'latin1');
  bytes.writeUInt32BE(code, 8);
  return bytes;
}

function dial(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectPlain({ host: '127.0.0.1', port });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      // It may be hung up upon at any time.
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}

/** Resolves when the server has agreed to start TLS. */
function startTlsOn(socket: Socket, sent: readonly Buffer[]): Promise<void> {
  socket.write(Buffer.concat(sent));
  let received = Buffer.alloc(0);
  return new Promise((resolve, reject) => {
    const take = (bytes: Buffer): void => {
      received = Buffer.concat([received, bytes]);
      if (received.length < GREETING_BYTES + OPTION_REPLY_BYTES) return;
      socket.off('data', take);
      const type = received.readUInt32BE(GREETING_BYTES + 12);
      if (type === OptionReply.ACK) resolve();
      else reject(new Error(`STARTTLS was answered by ${type}`));
    };
    socket.on('data', take);
  });
}

/** TLS over a socket, as a client that may come in. */
function secure(socket: Socket, folder: string): Promise<void> {
  const [ca, cert, key] = ['ca-cert', 'client-cert', 'client-key'].map((name) =>
    readFileSync(join(folder, `${name}.pem`)),
  );
  const secured = connectSecurely({ socket, ca, cert, key, servername: 'localhost' });
  secured.on('error', () => {});
  return new Promise((resolve) => secured.once('secureConnect', () => resolve()));
}

function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

const GREETING_BYTES = 18;
const OPTION_REPLY_BYTES = 20;
