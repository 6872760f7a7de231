/** A frame as a capture has it. The bytes are valid until the reader is asked for the next one. */
export interface CaptureRecord {
  /** Seconds since the start of 1970, UTC. */
  readonly seconds: number;
  /** 0 .. 999 999 999. */
  readonly nanos: number;
  /** As tcpdump.org numbers them; 1 is Ethernet. */
  readonly linkType: number;
  readonly bytes: Uint8Array;
  /** Bytes that the frame had on the wire, not less than those captured. */
  readonly originalBytes: number;
}

/** What a reader of captures has for its caller. */
export type CaptureStep =
  | { readonly kind: 'record'; readonly record: CaptureRecord }
  /** Go on with more of the file. */
  | { readonly kind: 'hungry' }
  /** The file is broken here, and nothing more can be read from it; a part of a sentence. */
  | { readonly kind: 'broken'; readonly why: string };

/** One format of capture files. */
export interface CaptureFormat {
  next(): CaptureStep;
}

/** There is not enough there yet. */
export const HUNGRY: CaptureStep = { kind: 'hungry' };

/** The most bytes of a frame that any program keeps; a longer record is no record. */
export const MAX_CAPTURED_BYTES = 262_144;

/** Link type of frames that begin with a MAC header. */
export const LINK_TYPE_ETHERNET = 1;

/** A step that ends the reading. */
export function broken(why: string): CaptureStep {
  return { kind: 'broken', why };
}
