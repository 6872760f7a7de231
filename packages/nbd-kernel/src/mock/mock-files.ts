import type { FileReader } from '../file-reader.ts';
import type { MockDevice } from './mock-device.ts';

/** What the files of /sys, /proc and /dev say about the devices of a mock kernel. */
export function mockFiles(kernel: {
  readonly isModuleLoaded: boolean;
  readonly devices: ReadonlyMap<number, MockDevice>;
}): FileReader {
  const devices = (): MockDevice[] => (kernel.isModuleLoaded ? [...kernel.devices.values()] : []);
  const deviceAt = (path: string, pattern: RegExp): MockDevice | undefined => {
    const index = pattern.exec(path)?.[1];
    return index === undefined || !kernel.isModuleLoaded
      ? undefined
      : kernel.devices.get(Number(index));
  };
  const openers = () =>
    devices().flatMap((device) => [...device.openers].map((opener) => ({ device, opener })));

  return {
    readText(path) {
      if (path === '/proc/mounts') return devices().map(mountLines).join('');
      if (path === '/proc/swaps') return `Filename Type\n${devices().map(swapLines).join('')}`;
      const command = /^\/proc\/(\d+)\/comm$/.exec(path)?.[1];
      if (command !== undefined) {
        return openers().find(({ opener }) => opener.pid === Number(command))?.opener.command;
      }
      return attribute(deviceAt(path, /^\/sys\/block\/nbd(\d+)\/\w+$/), path);
    },
    readNames(path) {
      if (path === '/sys/fs/ext4') return ['features', ...devices().flatMap(filesystemNames)];
      if (path === '/sys/module/nbd') return kernel.isModuleLoaded ? ['parameters'] : undefined;
      if (path === '/sys/block') return ['sda', ...devices().map(({ index }) => `nbd${index}`)];
      if (path === '/proc') return ['self', ...openers().map(({ opener }) => `${opener.pid}`)];
      if (/^\/proc\/\d+\/fd$/.test(path)) return ['0', '7'];
      const holding = deviceAt(path, /^\/sys\/block\/nbd(\d+)\/holders$/);
      if (holding !== undefined) return holding.holders;
      return deviceAt(path, /^\/sys\/block\/nbd(\d+)$/) && ['size', 'holders', 'queue'];
    },
    readLink(path) {
      const pid = /^\/proc\/(\d+)\/fd\/7$/.exec(path)?.[1];
      const found = openers().find(({ opener }) => opener.pid === Number(pid));
      return found === undefined ? '/dev/null' : `/dev/nbd${found.device.index}`;
    },
    isBlockDevice(path) {
      return deviceAt(path, /^\/dev\/nbd(\d+)$/) === undefined ? undefined : true;
    },
    isClaimed(path) {
      const device = deviceAt(path, /^\/dev\/nbd(\d+)$/);
      return Promise.resolve(device !== undefined && isClaimed(device));
    },
  };
}

function isClaimed({ mounts, swaps, holders, isUnmounting }: MockDevice): boolean {
  return isUnmounting || mounts.length > 0 || swaps.length > 0 || holders.length > 0;
}

/** What its filesystems are called in sysfs until they are written to the end. */
function filesystemNames({ index, isUnmounting, mounts }: MockDevice): string[] {
  const names = mounts.map(({ source }) => source.slice('/dev/'.length));
  return isUnmounting ? [...names, `nbd${index}`] : names;
}

function attribute(device: MockDevice | undefined, path: string): string | undefined {
  if (device === undefined) return undefined;
  switch (path.slice(path.lastIndexOf('/') + 1)) {
    case 'pid':
      return device.pid === undefined ? undefined : `${device.pid}\n`;
    case 'size':
      return `${(device.config?.sizeBytes ?? 0) / 512}\n`;
    case 'ro':
      return (device.config?.flags ?? 0) & READ_ONLY ? '1\n' : '0\n';
    case 'backend':
      return device.config?.backendIdentifier;
    default:
      return undefined;
  }
}

function mountLines({ mounts }: MockDevice): string {
  return mounts
    .map(({ source, target }) => `${source} ${target.replaceAll(' ', '\\040')} ext4 rw 0 0\n`)
    .join('');
}

function swapLines({ swaps }: MockDevice): string {
  return swaps.map((path) => `${path} partition 1 0 -2\n`).join('');
}

const READ_ONLY = 2;
