import { deviceIndexes, isAttached, machineFiles } from '../src/index.ts';
import { loadBinding } from '../src/load-binding.ts';

/** What a kind of native test needs. */
export type Need = 'addon' | 'nbd';

/**
 * Why the tests cannot run here; undefined if they can. Prints the reason, because a test that did
 * not run must be seen. OXMEM_REQUIRE=addon,nbd makes it an error.
 */
export function obstacle(...needs: readonly Need[]): string | undefined {
  for (const need of needs) {
    const reason = need === 'addon' ? addonObstacle() : nbdObstacle();
    if (reason === undefined) continue;
    if ((process.env.OXMEM_REQUIRE ?? '').split(',').includes(need)) {
      throw new Error(`OXMEM_REQUIRE asks for ${need}, but ${reason}`);
    }
    process.stderr.write(`native tests of nbd-kernel skipped: ${reason}\n`);
    return reason;
  }
  return undefined;
}

/** A device that is not attached. */
export function freeDeviceIndex(): number | undefined {
  return deviceIndexes(machineFiles).find((index) => !isAttached(index, machineFiles));
}

function addonObstacle(): string | undefined {
  try {
    loadBinding();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function nbdObstacle(): string | undefined {
  const index = freeDeviceIndex();
  if (index === undefined) return 'this kernel has no free NBD device (/dev/nbd0)';
  if (process.getuid?.() !== 0) return 'attaching a kernel device needs root';
  if (machineFiles.isBlockDevice(`/dev/nbd${index}`) !== true) return `no node /dev/nbd${index}`;
  return undefined;
}
