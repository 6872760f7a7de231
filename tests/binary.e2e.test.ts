/** The driver as one executable: it alone has the capabilities, and needs nothing beside itself. */
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runClient, runProgram } from './lab-program.ts';
import type { LabProgram } from './lab-program.ts';
import { OxmemLab, SHUTDOWN_LINES } from './oxmem-lab.ts';
import { describeRequiring, itRequiring } from './requires.ts';

const root = join(import.meta.dirname, '..');
const CAPABILITIES = 'cap_net_raw,cap_sys_admin=ep';
/** An ordinary user: nobody's. */
const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];

describeRequiring(['netns', 'real-root', 'command:setcap'], 'the binary', () => {
  let lab: OxmemLab;
  /** Without capabilities, and with. */
  let binary: string;
  let capable: string;

  beforeAll(async () => {
    lab = await OxmemLab.open();
    chmodSync(lab.folder, 0o777);
    binary = lab.path('oxmem-bdev');
    const script = join(root, 'scripts/binary/build-binary.mjs');
    await runClient([process.execPath, script, `--out=${binary}`], { timeoutMs: 110_000 });
    capable = lab.path('capable');
    copyFileSync(binary, capable);
    await runClient(['setcap', 'cap_net_raw,cap_sys_admin+ep', capable]);
    await lab.startEndpoint('16M');
  });
  afterAll(async () => {
    await lab.close();
  });

  async function startAsNobody(): Promise<{ driver: LabProgram; uri: string }> {
    const socket = lab.path('export.sock');
    const [, , ...options] = lab.driverArgv();
    const driver = lab.start([...asNobody, capable, ...options, `--listen=unix:${socket}`]);
    await lab.waitUntilReady(driver);
    return { driver, uri: `nbd+unix:///?socket=${socket}` };
  }

  it('has the capabilities alone, and serves an ordinary user', async () => {
    const { driver, uri } = await startAsNobody();
    expect(await runClient(['getcap', capable])).toBe(`${capable} ${CAPABILITIES}\n`);
    expect(await runClient(['getcap', process.execPath])).toBe('');
    expect(readFileSync(`/proc/${driver.pid}/status`, 'utf8')).toMatch(/^Uid:\s65534\s/m);

    const bytes = randomBytes(16 * 2 ** 20);
    writeFileSync(lab.path('in'), bytes);
    await runClient(['nbdcopy', lab.path('in'), uri]);
    await runClient(['nbdcopy', uri, lab.path('out')]);
    expect(readFileSync(lab.path('out')).equals(bytes)).toBe(true);

    const { code, stdout } = await driver.stop();
    expect(code).toBe(0);
    expect(stdout.trimEnd().split('\n').slice(-3)).toEqual(SHUTDOWN_LINES);
  });

  it('leaves no file behind that held its native parts, and nobody can open them', async () => {
    const { driver } = await startAsNobody();
    const maps = readFileSync(`/proc/${driver.pid}/maps`, 'utf8');
    const unpacked = maps.split('\n').filter((line) => /\/#\d+ \(deleted\)$/.test(line));
    expect(unpacked.length).toBeGreaterThan(0);
    // Neither through its descriptors nor in its memory.
    const look = `for each in /proc/${driver.pid}/fd/*; do cat "$each" && exit 1; done; exit 0`;
    expect(await runProgram([...asNobody, 'sh', '-c', look])).toMatchObject({ code: 0 });
    const { stderr } = await runProgram([...asNobody, 'cat', `/proc/${driver.pid}/mem`]);
    expect(stderr).toMatch(/Permission denied/);
    await driver.stop();
  });

  it('takes neither options of Node nor a debugger', async () => {
    const { driver } = await startAsNobody();
    driver.kill('SIGUSR1');
    const listeners = await runClient(['ss', '-Hltn']);
    expect(listeners).not.toContain(':9229');
    await driver.stop();
    expect(driver.stderr).not.toMatch(/Debugger/);
    const env = { NODE_OPTIONS: '--inspect' };
    const underDebugger = await runProgram([binary, '--version'], { env });
    expect(underDebugger).toMatchObject({ code: 9, stdout: '' });
    // With capabilities, what the environment says is not even read.
    const ignored = await runProgram([...asNobody, capable, '--version'], { env });
    expect(ignored).toMatchObject({ code: 0, stderr: '' });
  });

  it('ends when a debugger was called before it could refuse', async () => {
    const socket = `--listen=unix:${lab.path('x.sock')}`;
    const [, , ...options] = lab.driverArgv();
    let callsHeard = 0;
    for (let delayMs = 10; delayMs <= 100; delayMs += 10) {
      const driver = lab.start([...asNobody, capable, ...options, socket]);
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      driver.kill('SIGUSR1');
      await new Promise((resolve) => setTimeout(resolve, 50));
      const isCalled = driver.stderr.includes('Debugger listening');
      if (!isCalled) {
        await driver.stop();
        continue;
      }
      const { code, stdout } = await driver.waitForEnd(10_000);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      callsHeard++;
    }
    expect(callsHeard).toBeGreaterThan(0);
  });

  itRequiring(
    ['command:g++'],
    'starts itself anew for swap space with its addon preloaded',
    async () => {
      const library = lab.path('allow-swap-guard.so');
      const source = join(root, 'tests/fixtures/allow-swap-guard.c');
      await runClient(['gcc', '-shared', '-fPIC', '-o', library, source]);
      const [, , ...options] = lab.driverArgv();
      // What is preloaded is not read with capabilities, so no allowance is given for oom_score_adj:
      // the step behind the one that looks whether the addon was preloaded.
      const result = await runProgram([...asNobody, binary, ...options, '--swap'], {
        env: { LD_PRELOAD: library },
      });
      expect(result.stderr).toMatch(/oom_score_adj cannot be set to -1000/);
      expect(result.code).toBe(3);
    },
  );

  it('says so where it may not open raw sockets, with the command for itself', async () => {
    const [, , ...options] = lab.driverArgv();
    const socket = `--listen=unix:${lab.path('x.sock')}`;
    const { code, stderr } = await runProgram([...asNobody, binary, ...options, socket]);
    expect(code).toBe(3);
    expect(stderr).toContain(`sudo setcap cap_net_raw+ep ${binary}`);
    expect(existsSync(lab.path('x.sock'))).toBe(false);
  });

  describeRequiring(['command:dpkg-deb'], 'as a Debian package', () => {
    let deb: string;
    let target: string;
    beforeAll(async () => {
      const script = join(root, 'scripts/binary/build-deb.mjs');
      // Of somebody who keeps everything private.
      const own = lab.path('own-binary');
      copyFileSync(binary, own);
      chmodSync(own, 0o700);
      const command = `umask 077; ${process.execPath} ${script} --binary=${own} --out=${lab.folder}`;
      const said = await runClient(['sh', '-c', `${command} --fast`]);
      deb = /^(\S+\.deb):/m.exec(said)?.[1] ?? '';
      target = lab.path('root');
      mkdirSync(join(target, 'var/lib/dpkg/info'), { recursive: true });
      mkdirSync(join(target, 'var/lib/dpkg/updates'));
      writeFileSync(join(target, 'var/lib/dpkg/status'), '');
    });

    it('belongs to root, is writable for nobody else and opens no folder of the system', async () => {
      const list = await runClient(['dpkg-deb', '--contents', deb]);
      for (const line of list.trimEnd().split('\n')) {
        expect(line).toMatch(/^(drwxr-xr-x|-rw-r--r--|-rwxr-xr-x) root\/root /);
      }
      const paths = list.split('\n').map((line) => line.replace(/^.* \.\//, ''));
      expect(paths).toEqual(
        expect.arrayContaining([
          'usr/sbin/oxmem-bdev',
          'usr/share/man/man8/oxmem-bdev.8.gz',
          'usr/share/bash-completion/completions/oxmem-bdev',
          'usr/share/zsh/vendor-completions/_oxmem-bdev',
          'usr/share/fish/vendor_completions.d/oxmem-bdev.fish',
          'usr/lib/systemd/system/oxmem-bdev@.service',
          'usr/share/doc/oxmem-bdev/copyright',
        ]),
      );
    });

    it('is installed by dpkg, runs, and is gone when it is removed', async () => {
      const dpkg = ['dpkg', `--root=${target}`, '--force-depends', '--force-script-chrootless'];
      await runClient([...dpkg, '--install', deb]);
      const installed = join(target, 'usr/sbin/oxmem-bdev');
      expect(await runClient([installed, '--version'])).toMatch(/^\d+\.\d+\.\d+\n$/);
      expect(await runClient([...dpkg, '--verify', 'oxmem-bdev'])).toBe('');
      await runClient([...dpkg, '--purge', 'oxmem-bdev']);
      expect(existsSync(join(target, 'usr/sbin'))).toBe(false);
    });

    it('depends on what the binary is linked with', async () => {
      const needed = await runClient(['readelf', '-d', binary]);
      const libraries = [...needed.matchAll(/NEEDED.*\[(\S+?)\.so/g)].map(([, name]) => name);
      const known =
        'libdl libstdc++ libm libgcc_s libpthread libc ld-linux-x86-64 ld-linux-aarch64';
      expect(known.split(' ')).toEqual(expect.arrayContaining(libraries));
      const depends = await runClient(['dpkg-deb', '--field', deb, 'Depends']);
      expect(depends).toMatch(/libc6 .*libstdc\+\+6 .*libgcc/);
    });
  });
});
