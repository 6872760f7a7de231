/**
 * Kernel NBD devices from Node on Linux: attach /dev/nbdN by netlink or ioctl, carry the kernel's
 * byte stream, end cleanly, and say who holds a device.
 *
 * Knows nothing of NBD requests and nothing of what is behind them: bytes go to whoever starts a
 * `KernelStream`. `attachDevice` is the way in; the `./mock` entry has a kernel without a kernel.
 * `openSocketStream` does the same for clients that are not the kernel.
 */
export { attachDevice, checkAttachable } from './attach-device.ts';
export type { AttachOptions } from './attach-device.ts';
export { ByteStream } from './byte-stream.ts';
export type {
  ByteStreamCounters,
  ByteStreamHandlers,
  ByteStreamOptions,
  SendWindow,
} from './byte-stream.ts';
export { CHOICE_TABLE, FAILURE_TABLE, RETRY_DELAYS_MILLIS } from './attach-strategy.ts';
export type { AttachRequest, AttachWay } from './attach-strategy.ts';
export { detachDevice, findDevice } from './detach-device.ts';
export type { DetachDeviceOptions, DetachOutcome } from './detach-device.ts';
export { becomesTrue, machineClock } from './device-clock.ts';
export type { DeviceClock } from './device-clock.ts';
export {
  deviceFacts,
  deviceIndex,
  deviceIndexes,
  devicePath,
  isAttached,
  isHeld,
  isModuleLoaded,
  isTaken,
  usersAtRisk,
  usersOf,
  visibleUsers,
} from './device-facts.ts';
export type { DeviceFacts, Mount, Opener } from './device-facts.ts';
export { DEVICE_TRANSITIONS } from './device-state.ts';
export type { DeviceEnd, DeviceEvent, DeviceState, EndReason } from './device-state.ts';
export { NbdDeviceError, busyError } from './errors.ts';
export type { BusyContext, DetachCommand, NbdErrorCode, NbdErrorDetails } from './errors.ts';
export { machineFiles } from './file-reader.ts';
export type { FileReader } from './file-reader.ts';
export { KernelStream } from './kernel-stream.ts';
export { ClientFlag, MAX_WINDOWS } from './native-binding.ts';
export type {
  DeviceStatus,
  IoctlDevice,
  NativeBinding,
  NativeDevice,
  NativeError,
  NativeLinkWatch,
  NativeStream,
  NativeStreamOptions,
  NetlinkDevice,
  StreamCounterName,
} from './native-binding.ts';
export type { NativeProcess } from './native-process.ts';
export { NbdDevice } from './nbd-device.ts';
export type { DetachResult, DetachTimes } from './nbd-device.ts';
export { thisMachine, thisProcess } from './nbd-machine.ts';
export type { NbdMachine } from './nbd-machine.ts';
export { openSocketStream } from './socket-stream.ts';
