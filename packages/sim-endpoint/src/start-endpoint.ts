import { RawSocket, type NativeBinding, type RawSocketCounters } from '@oxmem/rawsock';
import {
  CapturingTransport,
  DEFAULT_ETHER_TYPE,
  formatMac,
  type FrameTransport,
  type Micros,
} from '@oxmem/tloe-protocol';
import { PcapFile, SystemClock } from '@oxmem/tloe-protocol/node';
import { composeServer, type EndpointOptions } from './compose-endpoint.ts';
import type { EndpointStats } from './endpoint-stats.ts';
import type { MemoryServer } from './memory-server.ts';

/** What an endpoint on a network interface can be told besides. */
export interface NetworkEndpointOptions extends EndpointOptions {
  /** The Linux network interface, which must be up. */
  readonly interfaceName: string;
  /** How long to spin for the next frame before sleeping. Default 0: not at all. */
  readonly busyPollMicros?: Micros;
  /** A file that gets every frame sent and received, as a capture that Wireshark opens. */
  readonly pcap?: string;
  /** Told once if the capture cannot be written any more. */
  readonly onCaptureFailure?: (error: Error) => void;
  /** The native side of the socket; a mock of it for tests. Default: the addon. */
  readonly binding?: NativeBinding;
}

/** What an endpoint on a network interface counts. */
export interface NetworkEndpointStats extends EndpointStats {
  readonly socket: RawSocketCounters;
  /** Frames in the capture, and frames that it missed because the disk could not keep up. */
  readonly capture: { readonly framesCaptured: number; readonly framesDropped: number } | undefined;
}

/** An endpoint that serves on a network interface. */
export interface RunningEndpoint {
  /** The interface's address, at which the endpoint is found: 6 bytes, and as text. */
  readonly mac: Uint8Array;
  readonly macText: string;
  readonly endpoint: MemoryServer;
  stats(): NetworkEndpointStats;
  /**
   * Stops without a word to the initiators, releases the socket and completes the capture.
   * Idempotent.
   */
  close(): Promise<void>;
}

/**
 * Starts an endpoint on a network interface; it serves when the promise resolves. Needs CAP_NET_RAW.
 *
 * ```ts
 * const endpoint = await startEndpoint({ interfaceName: 'veth1', sizeBytes: 2 ** 30 });
 * console.log(endpoint.macText);
 * // … run a driver against it …
 * await endpoint.close();
 * ```
 *
 * Rejects with a RawSocketError if there is no such interface, it is down, or this user may not
 * open raw sockets; with a RangeError for options that no endpoint could fulfil; and with what the
 * system says if the capture file cannot be made.
 */
export async function startEndpoint(options: NetworkEndpointOptions): Promise<RunningEndpoint> {
  const clock = new SystemClock();
  const socket = RawSocket.open(
    {
      interfaceName: options.interfaceName,
      etherType: DEFAULT_ETHER_TYPE,
      busyPollMicros: options.busyPollMicros,
      receiveRingFrames: RING_FRAMES,
      requireUp: true,
    },
    options.binding,
  );
  let capture: PcapFile | undefined;
  try {
    capture = await openCapture(options, clock);
    const transport: FrameTransport =
      capture === undefined ? socket : new CapturingTransport(socket, capture);
    const endpoint = composeServer(options, { transport, clock });
    endpoint.start();
    return runningEndpoint(endpoint, socket, capture);
  } catch (error) {
    socket.close();
    await capture?.close();
    throw error;
  }
}

function runningEndpoint(
  endpoint: MemoryServer,
  socket: RawSocket,
  capture: PcapFile | undefined,
): RunningEndpoint {
  return {
    mac: endpoint.mac,
    macText: formatMac(endpoint.mac),
    endpoint,
    stats: () => ({
      ...endpoint.stats(),
      socket: socket.counters(),
      capture: capture && {
        framesCaptured: capture.framesCaptured,
        framesDropped: capture.framesDropped,
      },
    }),
    close: async () => {
      endpoint.close();
      await capture?.close();
    },
  };
}

async function openCapture(
  options: NetworkEndpointOptions,
  clock: SystemClock,
): Promise<PcapFile | undefined> {
  if (options.pcap === undefined) return undefined;
  return PcapFile.open(options.pcap, {
    clock,
    originUnixMicros: clock.originUnixMicros,
    bufferBytes: CAPTURE_BUFFER_BYTES,
    ...(options.onCaptureFailure && { onFailure: options.onCaptureFailure }),
  });
}

/** Room for what several initiators send at once while the disk is busy. */
const CAPTURE_BUFFER_BYTES = 32 * 1024 * 1024;

/** The frames of a few busy drivers, should all of them arrive at once. */
const RING_FRAMES = 1024;
