import { RawSocket, type NativeBinding } from '@oxmem/rawsock';
import { LINK_TYPE_ETHERNET, type CaptureRecord } from './capture-record.ts';

/** What listens on an interface. */
export interface LiveCapture {
  /** Frames that found the buffer full, so far. */
  dropped(): number;
  /** Idempotent. */
  close(): void;
}

/** Who is told. */
export interface LiveListener {
  /** A frame; its bytes are valid until the call returns. */
  onFrame(record: CaptureRecord): void;
  /** No more frames at the moment. */
  onPause(): void;
  /** The interface is gone. */
  onFailure(error: Error): void;
}

/** Room for a tenth of a second of a fast network while a terminal scrolls. */
const BUFFER_BYTES = 128 * 1024 * 1024;

/**
 * Listens to the frames of one EtherType that pass an interface, both ways.
 *
 * @throws RawSocketError as `RawSocket.open` does
 */
export function startLiveCapture(
  place: { interfaceName: string; etherType: number; binding?: NativeBinding | undefined },
  listener: LiveListener,
): LiveCapture {
  const { interfaceName, etherType, binding } = place;
  const socket = RawSocket.open(
    {
      interfaceName,
      etherType,
      monitor: true,
      requireUp: true,
      receiveSlots: 256,
      receiveBufferBytes: BUFFER_BYTES,
    },
    binding,
  );
  const { receiveRegion, receiveDescriptors: descriptors } = socket;
  const times = socket.receiveTimes ?? new Float64Array();
  socket.start({
    onReceiveBatch: (count) => {
      for (let i = 0; i < count; i++) {
        const offset = descriptors[2 * i] as number;
        const length = descriptors[2 * i + 1] as number;
        listener.onFrame({
          seconds: times[2 * i] as number,
          nanos: times[2 * i + 1] as number,
          linkType: LINK_TYPE_ETHERNET,
          bytes: receiveRegion.bytes.subarray(offset, offset + length),
          originalBytes: length,
        });
      }
      listener.onPause();
    },
    onWritable: () => {},
    onFailure: (error) => listener.onFailure(error),
  });
  return { dropped: () => socket.counters().kernelDrops, close: () => socket.close() };
}
