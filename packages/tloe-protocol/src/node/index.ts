/**
 * The ports of the host for Node: the clock of the machine, and a capture file. The only folder of
 * this package that sees Node.
 */
export {
  SystemClock,
  type NodeTimers,
  type SystemClockOptions,
  type TimerHandle,
} from './system-clock.ts';
export { PcapFile, type CaptureFile, type PcapFileOptions } from './pcap-file.ts';
