import { randomInt } from 'node:crypto';

import { thisMachine, type NbdMachine } from '@oxmem/nbd-kernel';
import { DEFAULT_LIMITS, ExportTable, type BlockRequest } from '@oxmem/nbd-protocol';
import type { NativeBinding, RawSocket } from '@oxmem/rawsock';
import {
  CapturingTransport,
  PEER_PROFILES,
  type Clock,
  type FrameTransport,
  type MemoryStatus,
  type Micros,
} from '@oxmem/tloe-protocol';
import { PcapFile } from '@oxmem/tloe-protocol/node';
import { formatAddress, formatMac } from '@oxmem/tloe-protocol/text';

import type { Options } from './cli/options.ts';
import { deviceSlices, exportName } from './device/device-slices.ts';
import { MemorySlice } from './device/memory-slice.ts';
import { RemoteBlockDevice } from './device/remote-block-device.ts';
import type { claimEndpoint } from './endpoint/claim.ts';
import {
  EndpointMemory,
  type EndpointMemoryConfig,
  type EndpointObserver,
} from './endpoint/endpoint-memory.ts';
import { reissuePolicy } from './endpoint/reissue.ts';
import { openRawTransport } from './endpoint/raw-transport.ts';
import { DriverError, systemCode } from './errors.ts';
import { deviceFailure } from './kernel/device-failure.ts';
import { KernelFrontEnd, type ShownDevice } from './kernel/kernel-front-end.ts';
import type { Logger } from './observe/logger.ts';
import { Observation } from './observe/observation.ts';
import { RequestFailureLog } from './observe/request-failure-log.ts';
import { ConnectionWatch } from './runtime/connection-watch.ts';
import type { FrontEnd } from './runtime/front-end.ts';
import type { LeftoverFiles } from './runtime/leftover-files.ts';
import { ServiceManager } from './runtime/service-manager.ts';
import { ExportFrontEnd } from './server/export-front-end.ts';
import { MAX_REQUESTS, NbdServer } from './server/nbd-server.ts';
import { loadTlsCredentials, type TlsCredentials } from './server/tls-credentials.ts';
import { ContentWitness } from './witness/content-witness.ts';
import { MemoryWitnesses, proveContents } from './witness/prove-contents.ts';

/** What the driver needs of its surroundings; a test gives others. */
export interface DriverPorts {
  readonly clock: Clock;
  /** Microseconds from the start of 1970 to the clock's zero, for captures. */
  readonly originUnixMicros: Micros;
  /** Microseconds since the start of 1970, by the machine's clock, which may be set. */
  readonly unixMicros: () => Micros;
  readonly logger: Logger;
  /** Takes a line for standard output. */
  readonly print: (line: string) => void;
  /** Writes to the terminal on which the log is; undefined: there is none. */
  readonly terminal?: ((text: string) => void) | undefined;
  readonly environment: NodeJS.ProcessEnv;
  readonly leftovers: LeftoverFiles;
  /** The native addon of the raw socket unless given. */
  readonly binding?: NativeBinding;
  /** The kernel's NBD driver and its files; this machine's unless given. */
  readonly machine?: NbdMachine;
  /** Folder in memory for what a successor of this process needs. */
  readonly runFolder: string;
  /** Asks another driver to leave its devices to us; false: there is no such process. */
  readonly askToHandOver: (pid: number) => boolean;
  /** Keeps others from the endpoint; without it nobody is kept. */
  readonly claim?: typeof claimEndpoint;
}

/** The parts of a driver, joined but not yet working. */
export interface Driver {
  readonly socket: RawSocket;
  readonly memory: EndpointMemory;
  readonly watch: ConnectionWatch;
  /** In the order of their slices. */
  readonly devices: readonly RemoteBlockDevice[];
  readonly frontEnd: FrontEnd;
  readonly capture: PcapFile | undefined;
  readonly service: ServiceManager;
  readonly observation: Observation;
  /** Whether the ready line was printed. */
  wasReady: boolean;
}

/**
 * The composition root: here, and nowhere else, the packages meet.
 *
 *     KernelFrontEnd or ExportFrontEnd → RemoteBlockDevice → MemorySlice → EndpointMemory
 *                                   → RemoteMemory → (CapturingTransport →) RawSocket
 *
 * @throws DriverError when the interface, the raw socket, the capture file or the files for TLS cannot
 *         be had; nothing is left open then
 */
export async function composeDriver(options: Options, ports: DriverPorts): Promise<Driver> {
  const { clock, logger } = ports;
  const machine = options.listen === undefined ? kernelMachine(ports) : undefined;
  const tls = openTlsFiles(options, logger);
  const socket = openRawTransport(options, ports.binding);
  let capture: PcapFile | undefined;
  try {
    capture = await openCapture(options.pcap, ports);
  } catch (thrown) {
    socket.close();
    throw thrown;
  }
  const transport: FrameTransport =
    capture === undefined ? socket : new CapturingTransport(socket, capture);
  const watch = new ConnectionWatch(logger, options.mac, options.endpointLost);
  const failures = new RequestFailureLog(logger, clock);
  const { memory, shown } = composeDevices(options, { transport, clock, failures }, watch);
  const { listen, size } = options;
  const frontEnd =
    listen === undefined
      ? new KernelFrontEnd(options, shown, {
          machine: machine ?? kernelMachine(ports),
          logger,
          leftovers: ports.leftovers,
          runFolder: ports.runFolder,
          prove: (slice, samples) => proveContents(memory, slice.firstByte, samples),
        })
      : new ExportFrontEnd(
          createServer(options, shown, { ...ports, tls }),
          { listen, size },
          ports.leftovers,
        );
  const devices = shown.map(({ device }) => device);
  const service = new ServiceManager(ports);
  const observation = new Observation({ memory, devices, socket }, options, ports);
  const parts = { socket, memory, watch, devices, frontEnd, capture, service, observation };
  return { ...parts, wasReady: false };
}

/** The kernel's NBD driver. */
function kernelMachine(ports: DriverPorts): NbdMachine {
  try {
    return ports.machine ?? thisMachine();
  } catch (thrown) {
    throw deviceFailure(thrown);
  }
}

/** Where the devices of a driver get their bytes, and who is told of requests that fail. */
export interface DevicePorts {
  readonly transport: FrameTransport;
  readonly clock: Clock;
  readonly failures: Pick<RequestFailureLog, 'requestFailed'>;
}

/** The memory of the endpoint, and a block device for each slice of it. */
export function composeDevices(
  options: Options,
  { transport, clock, failures }: DevicePorts,
  observer: EndpointObserver,
): { memory: EndpointMemory; shown: ShownDevice[] } {
  const parts = deviceSlices(options).map((slice) => ({ slice, witness: new ContentWitness() }));
  const witnesses = new MemoryWitnesses(
    parts.map(({ slice, witness }) => ({ firstByte: slice.firstByte, witness })),
  );
  const ports = { transport, clock, witnesses };
  const memory = new EndpointMemory(memoryConfig(options), ports, observer);
  const shown = parts.map(({ slice, witness }) => {
    const settings = {
      witness,
      clock,
      sizeBytes: slice.sizeBytes,
      readOnly: options.readOnly,
      preferredBlockBytes: options.blockSize,
      capacity: options.listen === undefined ? DEFAULT_LIMITS.requests : MAX_REQUESTS,
      onRequestFailed: (block: BlockRequest, status: MemoryStatus) =>
        failures.requestFailed(block, status),
    };
    const device = new RemoteBlockDevice(settings, new MemorySlice(memory, slice.firstByte));
    return { slice, device, witness };
  });
  return { memory, shown };
}

function memoryConfig(options: Options): EndpointMemoryConfig {
  return {
    connection: connectionConfig(options),
    // Not where the last connection began: late answers to it must not fit.
    drawSource: () => randomInt(2 ** 26),
    openTimeoutMicros: options.openTimeout,
    whenRestarted: options.endpointRestarted,
  };
}

function connectionConfig(options: Options): EndpointMemoryConfig['connection'] {
  return {
    peerMac: options.mac,
    ...(options.profile === 'auto' ? {} : { profile: PEER_PROFILES[options.profile] }),
    initiator: {
      base: options.base,
      sizeBytes: options.size,
      dataOrder: options.dataOrder,
      window: options.window,
      maxAccessLog2: options.maxRequest,
      reissue: reissuePolicy(options),
    },
  };
}

function openTlsFiles(
  { tlsCert: cert, tlsKey: key, tlsCa: ca }: Options,
  logger: Logger,
): TlsCredentials | undefined {
  if (cert === undefined || key === undefined) return undefined;
  return loadTlsCredentials({ cert, key, ca }, (text) => logger.warn(text));
}

/** The devices as exports of one socket, the first of which is the default one. */
function createServer(
  options: Options,
  shown: readonly ShownDevice[],
  { clock, logger, tls }: DriverPorts & { tls: TlsCredentials | undefined },
): NbdServer {
  const exports = new ExportTable(
    shown.map(({ slice, device }) => ({
      name: exportName(slice, shown.length),
      description:
        `OmniXtend memory at ${formatAddress(slice.base)} on ${formatMac(options.mac)} via ` +
        options.netdev,
      backend: device,
    })),
  );
  return new NbdServer({ exports, clock, logger, tls });
}

async function openCapture(
  path: string | undefined,
  ports: DriverPorts,
): Promise<PcapFile | undefined> {
  if (path === undefined) return undefined;
  const { clock, originUnixMicros, logger } = ports;
  try {
    return await PcapFile.open(path, {
      clock,
      originUnixMicros,
      onFailure: (error) => logger.error(`the capture ends here: ${error.message}`),
    });
  } catch (thrown) {
    const code = systemCode(thrown) ?? 'an unknown error';
    throw new DriverError(
      'ERR_OXMEM_FILE',
      `--pcap: "${path}" cannot be written (${code}); name a file in a folder of yours.`,
      thrown,
    );
  }
}
