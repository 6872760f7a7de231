/** The service files of the driver, as systemd reads them. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { runProgram } from './lab-program.ts';
import { driverCommand } from './oxmem-lab.ts';
import { describeRequiring, itRequiring } from './requires.ts';

const [, driverFile = ''] = driverCommand;
const source = join(dirname(driverFile), '..', 'systemd');

describeRequiring(['command:systemd-analyze'], 'the service files', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'oxmem-units-'));
    // A unit names a program that is installed; here it is where it was built.
    const unit = readFileSync(join(source, 'oxmem-bdev@.service'), 'utf8');
    const named = unit.replace('ExecStart=oxmem-bdev ', `ExecStart=${driverFile} `);
    expect(named).not.toBe(unit);
    writeFileSync(join(folder, 'oxmem-bdev@.service'), named);
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  /** Everything that systemd finds wrong with an instance of the unit. */
  async function complaints(): Promise<string> {
    const file = join(folder, 'oxmem-bdev@data.service');
    const { code, stdout, stderr } = await runProgram(['systemd-analyze', 'verify', file]);
    return `${stdout}${stderr}` || (code === 0 ? '' : `exit code ${code}`);
  }

  function addDropIn(more = ''): void {
    const dropIns = join(folder, 'oxmem-bdev@data.service.d');
    mkdirSync(dropIns);
    cpSync(join(source, 'swap.conf'), join(dropIns, 'swap.conf'));
    if (more !== '') writeFileSync(join(dropIns, 'more.conf'), more);
  }

  itRequiring([], 'have no fault that systemd knows', async () => {
    expect(await complaints()).toBe('');
  });

  itRequiring([], 'have none with the drop-in for swap space either', async () => {
    addDropIn();
    expect(await complaints()).toBe('');
  });

  itRequiring([], 'would not pass with a setting that systemd does not know', async () => {
    addDropIn('[Service]\nTypo=yes\n');
    expect(await complaints()).toMatch(/Unknown key.*Typo/);
  });
});
