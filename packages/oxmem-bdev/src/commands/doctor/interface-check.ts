import type { InterfaceInfo } from '@oxmem/rawsock';
import { formatMac } from '@oxmem/tloe-protocol/text';

import { ExitCode } from '../../cli/exit-codes.ts';
import { fail, ok, warn, type Check } from './check.ts';

/** Whether frames could leave by the interface that was named, and how long they may be. */
export function checkInterface(
  name: string,
  info: InterfaceInfo | undefined,
  existing: readonly string[],
): Check {
  const failed = (what: string, remedy: string): Check =>
    fail(ExitCode.endpointSilent, what, remedy);
  if (info === undefined) {
    return failed(`there is no interface ${name}`, `there is: ${existing.join(', ')}`);
  }
  if (!info.isEthernet) {
    return failed(
      `${name} is no Ethernet interface`,
      `name one of: ${existing.filter((each) => each !== name).join(', ')}`,
    );
  }
  if (!info.isUp) return failed(`${name} is down`, `\`sudo ip link set ${name} up\``);
  if (!info.hasCarrier) {
    return failed(`${name} has no carrier`, 'plug in the cable, or switch its other end on');
  }
  const what = `${name} (${formatMac(info.mac)}) is up with carrier, MTU ${info.mtuBytes}`;
  if (info.mtuBytes >= COMMON_MTU) return ok(what);
  return warn(
    what,
    `longer frames carry more: \`sudo ip link set ${name} mtu ${COMMON_MTU}\`, if the network ` +
      'between here and the endpoint carries them',
  );
}

/** When no interface was named. */
export function skippedInterface(existing: readonly string[]): Check {
  return warn('no interface was looked at', `give --netdev=DEV (there is: ${existing.join(', ')})`);
}

const COMMON_MTU = 1500;
