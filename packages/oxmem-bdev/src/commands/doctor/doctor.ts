import type { FileReader, NativeBinding as NbdBinding } from '@oxmem/nbd-kernel';
import type { NativeBinding as RawBinding } from '@oxmem/rawsock';

import { ExitCode } from '../../cli/exit-codes.ts';
import { checkLine, warn, type Check } from './check.ts';
import { checkDevice, type DevicePorts } from './device-check.ts';
import { checkInterface, skippedInterface } from './interface-check.ts';
import {
  checkAddon,
  checkKernel,
  checkModule,
  checkNetlink,
  checkPrivileges,
  readPrivileges,
} from './machine-checks.ts';
import { modulePlace } from './module-place.ts';
import type { DoctorOptions } from './options.ts';
import { checkPeer, type PeerPorts } from './peer-check.ts';

/** What `doctor` needs of its surroundings; a test gives others. */
export interface DoctorPorts extends DevicePorts, Omit<PeerPorts, 'binding'> {
  readonly files: FileReader;
  /** `uname -r` */
  readonly release: string;
  /** @throws Error that says in one sentence why it cannot be loaded */
  readonly loadNbd: () => Pick<NbdBinding, 'hasNetlinkFamily'>;
  /** @throws Error that says in one sentence why it cannot be loaded */
  readonly loadRaw: () => RawBinding;
  /** Takes a line for standard output. */
  readonly print: (line: string) => void;
}

/**
 * `oxmem-bdev doctor`: looks whether a driver could work here, a line for each thing.
 *
 * @returns what the driver would fail with: of the first check that failed
 */
export async function doctor(options: DoctorOptions, ports: DoctorPorts): Promise<ExitCode> {
  let exitCode: ExitCode = ExitCode.done;
  for await (const check of allChecks(options, ports)) {
    ports.print(checkLine(check));
    if (check.verdict === 'fail' && exitCode === ExitCode.done) exitCode = check.exitCode;
  }
  return exitCode;
}

async function* allChecks(options: DoctorOptions, ports: DoctorPorts): AsyncGenerator<Check> {
  const { files, release } = ports;
  const nbd = attempt(ports.loadNbd);
  const raw = attempt(ports.loadRaw);
  yield checkKernel(release);
  // The question makes newer kernels load the module, so it comes before a look for that.
  const hasNetlink = attempt(() => nbd.value?.hasNetlinkFamily() ?? false).value ?? false;
  const place = modulePlace(files, release);
  yield checkModule(place, release);
  yield checkNetlink(place.kind === 'loaded' ? hasNetlink : undefined);
  const privileges = readPrivileges(
    files.readText('/proc/self/status') ?? '',
    files.readText('/proc/self/uid_map'),
  );
  yield* checkPrivileges(privileges);
  yield checkDevice(options.device, ports);
  yield checkAddon('@oxmem/nbd-kernel', nbd.problem);
  yield checkAddon('@oxmem/rawsock', raw.problem);
  yield* networkChecks(options, ports, raw.value, privileges.hasNetRaw);
}

async function* networkChecks(
  { netdev, mac, base, openTimeout }: DoctorOptions,
  ports: DoctorPorts,
  binding: RawBinding | undefined,
  mayAsk: boolean,
): AsyncGenerator<Check> {
  if (binding === undefined) {
    yield warn('network and endpoint were not looked at', 'needs the addon of @oxmem/rawsock');
    return;
  }
  const existing = binding.listInterfaces();
  if (netdev === undefined) {
    yield skippedInterface(existing);
    return;
  }
  const check = checkInterface(netdev, binding.interfaceInfo(netdev), existing);
  yield check;
  if (mac === undefined) {
    yield warn('no endpoint was asked', 'give --mac=MAC');
  } else if (check.verdict === 'fail') {
    yield warn('the endpoint was not asked', `needs ${netdev}, see above`);
  } else if (!mayAsk) {
    yield warn('the endpoint was not asked', 'needs CAP_NET_RAW, see above');
  } else {
    yield await checkPeer({ netdev, mac, base, openTimeout }, { ...ports, binding });
  }
}

type Attempt<T> =
  | { readonly value: T; readonly problem?: undefined }
  | { readonly value?: undefined; readonly problem: string };

function attempt<T>(work: () => T): Attempt<T> {
  try {
    return { value: work() };
  } catch (thrown) {
    return { problem: thrown instanceof Error ? thrown.message : String(thrown) };
  }
}
