import { loadBinding } from './load-binding.ts';
import type { InterfaceInfo, NativeBinding } from './native-binding.ts';

/**
 * Facts about the network interface `name` of this network namespace. Needs no privilege.
 *
 * @returns undefined when there is no such interface
 * @throws RawSocketError ERR_RAWSOCK_NO_ADDON
 */
export function interfaceInfo(name: string, binding?: NativeBinding): InterfaceInfo | undefined {
  return (binding ?? loadBinding()).interfaceInfo(name);
}

/**
 * Names of the network interfaces of this network namespace, in the kernel's order.
 *
 * @throws RawSocketError ERR_RAWSOCK_NO_ADDON
 */
export function listInterfaces(binding?: NativeBinding): string[] {
  return (binding ?? loadBinding()).listInterfaces();
}
