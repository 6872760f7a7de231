import { isModuleLoaded, type FileReader } from '@oxmem/nbd-kernel';

import type { ModulePlace } from './machine-checks.ts';

/**
 * Where the kernel's nbd driver is: at work, on the disk, or nowhere.
 *
 * @param release  of the kernel that runs, as `uname -r` has it
 */
export function modulePlace(files: FileReader, release: string): ModulePlace {
  if (isModuleLoaded(files)) {
    const text = files.readText('/sys/module/nbd/parameters/max_part')?.trim();
    return { kind: 'loaded', maxPart: text === undefined ? undefined : Number(text) };
  }
  const list = files.readText(`/lib/modules/${release}/modules.dep`) ?? '';
  return /^\S*\/nbd\.ko(\.\w+)?:/m.test(list) ? { kind: 'loadable' } : { kind: 'missing' };
}
