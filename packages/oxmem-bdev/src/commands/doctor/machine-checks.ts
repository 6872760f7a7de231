import { ExitCode } from '../../cli/exit-codes.ts';
import { fail, ok, warn, type Check } from './check.ts';

/** Where the kernel's nbd driver is. */
export type ModulePlace =
  | { readonly kind: 'loaded'; readonly maxPart: number | undefined }
  | { readonly kind: 'loadable' }
  | { readonly kind: 'missing' };

/** What the process may do. */
export interface Privileges {
  readonly hasNetRaw: boolean;
  readonly hasSysAdmin: boolean;
  /** Capabilities count for the whole machine, not just inside a container. */
  readonly isInitialUserNamespace: boolean;
}

/** The kernel, by the text of `uname -r`. */
export function checkKernel(release: string): Check {
  const what = `kernel ${release}`;
  const [major = 0, minor = 0] = (/^(\d+)\.(\d+)/.exec(release) ?? []).slice(1).map(Number);
  const isAtLeast = (wantedMajor: number, wantedMinor: number): boolean =>
    major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
  if (isAtLeast(5, 7)) return ok(what);
  if (isAtLeast(4, 12)) {
    return warn(what, 'before 5.7 a device whose connection is lost cannot be given a new one');
  }
  return warn(what, 'before 4.12 devices are attached by ioctl only, and end with their driver');
}

/** The nbd driver of the kernel. */
export function checkModule(place: ModulePlace, release: string): Check {
  switch (place.kind) {
    case 'loaded':
      if (place.maxPart !== 0) {
        const parts = place.maxPart === undefined ? '' : `, ${place.maxPart} partitions a device`;
        return ok(`the nbd module is loaded${parts}`);
      }
      return warn(
        'the nbd module is loaded without partitions (max_part=0)',
        'partitions will not show: `sudo modprobe -r nbd && sudo modprobe nbd max_part=8`',
      );
    case 'loadable':
      return fail(
        ExitCode.deviceUnavailable,
        'the nbd module is not loaded',
        'load it with `sudo modprobe nbd max_part=8`',
      );
    case 'missing':
      return fail(
        ExitCode.deviceUnavailable,
        `kernel ${release} has no nbd module`,
        "install the package with your kernel's extra modules, or export a socket with --listen",
      );
  }
}

/** Whether the driver can be spoken to by netlink; undefined: without the module nobody knows. */
export function checkNetlink(hasFamily: boolean | undefined): Check {
  if (hasFamily === true) return ok('devices can be attached by netlink');
  if (hasFamily === undefined) {
    return warn('netlink was not looked at', 'needs the nbd module, see above');
  }
  return warn(
    'netlink does not show the nbd driver here, devices are attached by ioctl',
    'a driver that is stopped (Ctrl-Z) or killed then loses its device; run it in the first ' +
      'network namespace, with kernel 4.12 or newer',
  );
}

/** The capabilities that a driver needs. */
export function checkPrivileges(privileges: Privileges): Check[] {
  const { hasNetRaw, hasSysAdmin, isInitialUserNamespace } = privileges;
  return [
    hasNetRaw
      ? ok('may open raw sockets (CAP_NET_RAW)')
      : fail(
          ExitCode.notPermitted,
          'may not open raw sockets (CAP_NET_RAW)',
          'run with sudo, or as a service with AmbientCapabilities=CAP_NET_RAW CAP_SYS_ADMIN',
        ),
    checkSysAdmin(hasSysAdmin, isInitialUserNamespace),
  ];
}

function checkSysAdmin(hasSysAdmin: boolean, isInitialUserNamespace: boolean): Check {
  if (hasSysAdmin && isInitialUserNamespace) {
    return ok('may attach kernel devices (CAP_SYS_ADMIN)');
  }
  return fail(
    ExitCode.notPermitted,
    hasSysAdmin
      ? 'may not attach kernel devices: CAP_SYS_ADMIN of a user namespace does not count'
      : 'may not attach kernel devices (CAP_SYS_ADMIN)',
    hasSysAdmin
      ? 'run on the host itself, or export a socket with --listen'
      : 'run with sudo, or export a socket with --listen',
  );
}

/** A native addon; `problem` says why it cannot be loaded. */
export function checkAddon(name: string, problem: string | undefined): Check {
  if (problem === undefined) return ok(`the native addon of ${name} works`);
  return fail(
    ExitCode.failed,
    `the native addon of ${name} cannot be loaded`,
    problem.replace(/\.$/, ''),
  );
}

/** Bits of a set of capabilities. */
const CAP_NET_RAW = 13n;
const CAP_SYS_ADMIN = 21n;

/**
 * What the process may do.
 *
 * @param status  text of /proc/self/status
 * @param uidMap  text of /proc/self/uid_map; undefined: there are no user namespaces
 */
export function readPrivileges(status: string, uidMap: string | undefined): Privileges {
  const digits = /^CapEff:\s*([0-9a-f]{1,16})$/m.exec(status)?.[1] ?? '0';
  const effective = BigInt(`0x${digits}`);
  const has = (bit: bigint): boolean => ((effective >> bit) & 1n) === 1n;
  const isWhole = uidMap === undefined || /^\s*0\s+0\s+4294967295\s*$/.test(uidMap);
  return {
    hasNetRaw: has(CAP_NET_RAW),
    hasSysAdmin: has(CAP_SYS_ADMIN),
    isInitialUserNamespace: isWhole,
  };
}
