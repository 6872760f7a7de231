import { randomInt } from 'node:crypto';

import { ExportTable } from '@oxmem/nbd-protocol';
import type { NativeBinding, RawSocket } from '@oxmem/rawsock';
import {
  CapturingTransport,
  DEFAULT_REISSUE_POLICY,
  PEER_PROFILES,
  RemoteMemory,
  type Clock,
  type FrameTransport,
  type Micros,
  type RemoteMemoryConfig,
} from '@oxmem/tloe-protocol';
import { PcapFile } from '@oxmem/tloe-protocol/node';
import { formatAddress, formatMac } from '@oxmem/tloe-protocol/text';

import type { Options } from './cli/options.ts';
import { RemoteBlockDevice } from './device/remote-block-device.ts';
import { openRawTransport } from './endpoint/raw-transport.ts';
import { DriverError, systemCode } from './errors.ts';
import type { Logger } from './observe/logger.ts';
import { RequestFailureLog } from './observe/request-failure-log.ts';
import { ConnectionWatch } from './runtime/connection-watch.ts';
import type { LeftoverFiles } from './runtime/leftover-files.ts';
import { MAX_REQUESTS, NbdServer } from './server/nbd-server.ts';

/** What the driver needs of its surroundings; a test gives others. */
export interface DriverPorts {
  readonly clock: Clock;
  /** Microseconds from the start of 1970 to the clock's zero, for captures. */
  readonly originUnixMicros: Micros;
  readonly logger: Logger;
  /** Takes a line for standard output. */
  readonly print: (line: string) => void;
  readonly environment: NodeJS.ProcessEnv;
  readonly leftovers: LeftoverFiles;
  /** The native addon of the raw socket unless given. */
  readonly binding?: NativeBinding;
}

/** The parts of a driver, joined but not yet working. */
export interface Driver {
  readonly socket: RawSocket;
  readonly memory: RemoteMemory;
  readonly watch: ConnectionWatch;
  readonly device: RemoteBlockDevice;
  readonly server: NbdServer;
  readonly capture: PcapFile | undefined;
  /** Whether the ready line was printed. */
  wasReady: boolean;
}

/**
 * The composition root: here, and nowhere else, the packages meet.
 *
 *     NbdServer → RemoteBlockDevice → RemoteMemory → (CapturingTransport →) RawSocket
 *
 * @throws DriverError when the interface, the raw socket or the capture file cannot be had; nothing
 *         is left open then
 */
export async function composeDriver(options: Options, ports: DriverPorts): Promise<Driver> {
  const { clock, logger } = ports;
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
  const memory = new RemoteMemory(memoryConfig(options), { transport, clock }, watch);
  const failures = new RequestFailureLog(logger, clock);
  const device = new RemoteBlockDevice(
    {
      sizeBytes: options.size,
      readOnly: options.readOnly,
      preferredBlockBytes: options.blockSize,
      capacity: MAX_REQUESTS,
      onRequestFailed: (block, status) => failures.requestFailed(block, status),
    },
    {
      submit: (request) => memory.submit(request),
      kick: () => memory.kick(),
      get isHealthy() {
        return memory.link.state === 'open' && !memory.link.isLost;
      },
    },
  );
  const server = new NbdServer({ exports: exportTable(options, device), clock, logger });
  return { socket, memory, watch, device, server, capture, wasReady: false };
}

function memoryConfig(options: Options): RemoteMemoryConfig {
  return {
    peerMac: options.mac,
    ...(options.profile === 'auto' ? {} : { profile: PEER_PROFILES[options.profile] }),
    initiator: {
      base: options.base,
      sizeBytes: options.size,
      dataOrder: options.dataOrder,
      window: options.window,
      maxAccessLog2: options.maxRequest,
      reissue: {
        ...DEFAULT_REISSUE_POLICY,
        requestTimeoutMicros: options.requestTimeout,
        whenLost: options.endpointLost,
      },
      // Not where the last run began: late answers to it must not fit.
      firstSource: randomInt(2 ** 26),
    },
  };
}

/** One export, which is also the default one. */
function exportTable(options: Options, device: RemoteBlockDevice): ExportTable {
  const place = `${formatAddress(options.base)} on ${formatMac(options.mac)}`;
  return new ExportTable([
    {
      name: 'oxmem',
      description: `OmniXtend memory at ${place} via ${options.netdev}`,
      backend: device,
    },
  ]);
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
