/**
 * Remote memory as a block device, for programs that want it without the command: put a
 * `RemoteBlockDevice` over an `EndpointMemory`, or over a `RemoteMemory` if one connection is enough,
 * and serve it with an `NbdServer`.
 */
export { DeviceStats } from './device/device-stats.ts';
export type { MemoryAccess } from './device/memory-access.ts';
export { RemoteBlockDevice } from './device/remote-block-device.ts';
export type { RemoteBlockDeviceOptions } from './device/remote-block-device.ts';
export {
  EndpointMemory,
  type EndpointMemoryConfig,
  type EndpointMemoryPorts,
  type EndpointObserver,
  type NoReturn,
} from './endpoint/endpoint-memory.ts';
export type { EndpointState } from './endpoint/endpoint-state.ts';
export { DriverError } from './errors.ts';
export type { DriverErrorCode } from './errors.ts';
export { formatListenAddress, parseListenAddress } from './server/listen-address.ts';
export type { ListenAddress } from './server/listen-address.ts';
export { MAX_CONNECTIONS, MAX_REQUESTS, NbdServer } from './server/nbd-server.ts';
export type { NbdServerOptions } from './server/nbd-server.ts';
export { loadTlsCredentials } from './server/tls-credentials.ts';
export type { TlsCredentials, TlsFiles } from './server/tls-credentials.ts';
export {
  ContentWitness,
  type Sample,
  type SampleStore,
  type Transfer,
} from './witness/content-witness.ts';
export { MemoryWitnesses, type Proof, type WitnessedPart } from './witness/prove-contents.ts';
