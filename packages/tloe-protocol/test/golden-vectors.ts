import { readFileSync } from 'node:fs';

/** The vectors of `vectors/`, typed. Their own `conventions` explain the fields. */

export interface VectorHeader {
  readonly vc: number;
  readonly sequenceNumber: number;
  readonly sequenceNumberAck: number;
  readonly ack: number;
  readonly channel: number;
  readonly credit: number;
}

export interface VectorMessage {
  readonly flitIndex: number;
  readonly flitCount: number;
  readonly channel: 'A' | 'B' | 'C' | 'D' | 'E';
  readonly opcode: number | null;
  readonly opcodeName: string;
  readonly param: number | null;
  readonly size: number | null;
  readonly domain: number | null;
  readonly denied: boolean | null;
  readonly corrupt: boolean | null;
  readonly source: number | null;
  readonly sink: number | null;
  readonly address: string | null;
  readonly mask: readonly string[];
  readonly dataHex: readonly string[];
  readonly memoryHex: string | null;
}

/** A whole frame: bytes and what they mean. */
export interface FrameVector {
  readonly name: string;
  readonly hex: string;
  readonly byteLength: number;
  readonly header: VectorHeader;
  readonly frameMask: string;
  readonly paddingFlits: readonly number[];
  readonly messages: readonly VectorMessage[];
  readonly tilelinkViolations: readonly string[];
}

/** Bytes that a decoder must refuse. */
export interface RejectVector {
  readonly name: string;
  readonly hex: string;
  readonly firstFault: string;
}

/** A frame together with its MAC header. */
export interface EthernetVector {
  readonly ethernetHeaderHex: string;
  readonly ethernetHeader: {
    readonly destination: string;
    readonly source: string;
    readonly etherType: string;
  };
  readonly composedFrame: { readonly hex: string; readonly tloeOffset: number };
}

/** One 64-bit word and its fields. */
export interface WordVector<Fields> {
  readonly name: string;
  readonly hex: string;
  readonly fields: Fields;
}

export interface VectorMessageHead {
  readonly channel: 'A' | 'B' | 'C' | 'D';
  readonly opcode: number;
  readonly opcodeName: string;
  readonly param: number;
  readonly size: number;
  readonly domain: number;
  readonly denied: boolean;
  readonly corrupt: boolean;
  readonly source: number;
}

interface SpecificationVector extends FrameVector, EthernetVector {
  readonly variants?: readonly (FrameVector & RejectVector & { readonly decodes: boolean })[];
}

interface SpecificationFile {
  readonly vectors: readonly SpecificationVector[];
  readonly operationFrames: { readonly vectors: readonly SpecificationVector[] };
}

interface PeerFile {
  readonly frameHeaders: readonly WordVector<VectorHeader & { readonly frameType: number }>[];
  readonly messageHeads: readonly WordVector<VectorMessageHead>[];
}

const file = load<SpecificationFile>('omnixtend-1.0.3.json');
const all = [...file.vectors, ...file.operationFrames.vectors];
const variants = all.flatMap(({ name, variants: each = [] }) =>
  each.map((variant) => ({ ...variant, name: `${name}/${variant.name}` })),
);

/** Every frame that must decode and that encoding must reproduce. */
export const FRAME_VECTORS: readonly FrameVector[] = [
  ...all.filter(({ byteLength }) => byteLength > 0),
  ...variants.filter(({ decodes }) => decodes),
];

/** Every frame that must be refused. */
export const REJECT_VECTORS: readonly RejectVector[] = variants.filter(({ decodes }) => !decodes);

/** The frames given with a MAC header. */
export const ETHERNET_VECTORS: readonly EthernetVector[] = all.filter(
  (vector) => vector.composedFrame !== undefined,
);

/** Header words as known peers send them. */
export const PEER_HEADERS: PeerFile = load<PeerFile>('peer-headers.json');

function load<Content>(name: string): Content {
  const url = new URL(`../vectors/${name}`, import.meta.url);
  return JSON.parse(readFileSync(url, 'utf8')) as Content;
}
