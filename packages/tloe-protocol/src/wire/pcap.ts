/**
 * The classic capture file format (libpcap, "pcap-savefile"), as bytes: a file header, then for each
 * frame a record header and the frame. Little-endian, microseconds, link type Ethernet.
 */

/** Bytes of the header at the start of a capture file. */
export const PCAP_FILE_HEADER_BYTES = 24;

/** Bytes of the header in front of each frame. */
export const PCAP_RECORD_HEADER_BYTES = 16;

/** What is said of one frame. */
export interface PcapRecord {
  /** Microseconds since the start of 1970, UTC. */
  unixMicros: number;
  /** Bytes of the frame that follow this header. */
  capturedBytes: number;
  /** Bytes that the frame had on the wire, not less than `capturedBytes`. */
  originalBytes: number;
}

/**
 * Writes the file header, `PCAP_FILE_HEADER_BYTES` long, at `offset`.
 *
 * @param snapLengthBytes  the most bytes that a record of this file keeps of a frame
 */
export function writePcapFileHeader(view: DataView, offset: number, snapLengthBytes: number): void {
  view.setUint32(offset, MAGIC_MICROSECONDS, true);
  view.setUint16(offset + 4, VERSION_MAJOR, true);
  view.setUint16(offset + 6, VERSION_MINOR, true);
  // Time zone and accuracy of the time stamps: zero in every file.
  view.setUint32(offset + 8, 0, true);
  view.setUint32(offset + 12, 0, true);
  view.setUint32(offset + 16, snapLengthBytes, true);
  view.setUint32(offset + 20, LINK_TYPE_ETHERNET, true);
}

/** Writes the header of one record, `PCAP_RECORD_HEADER_BYTES` long, at `offset`. */
export function writePcapRecordHeader(view: DataView, offset: number, record: PcapRecord): void {
  const seconds = Math.floor(record.unixMicros / 1_000_000);
  view.setUint32(offset, seconds, true);
  view.setUint32(offset + 4, record.unixMicros - seconds * 1_000_000, true);
  view.setUint32(offset + 8, record.capturedBytes, true);
  view.setUint32(offset + 12, record.originalBytes, true);
}

const MAGIC_MICROSECONDS = 0xa1b2c3d4;
const VERSION_MAJOR = 2;
const VERSION_MINOR = 4;
const LINK_TYPE_ETHERNET = 1;
