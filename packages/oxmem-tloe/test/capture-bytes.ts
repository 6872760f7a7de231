/** Capture files made by hand, in every shape that other programs write. */

/** A frame in a capture; `ticks` in the unit of its interface. */
export interface MadeRecord {
  readonly ticks: bigint;
  readonly bytes: Uint8Array;
  readonly originalBytes?: number;
  readonly interfaceNumber?: number;
}

/** A classic capture. */
export function pcapBytes(
  records: readonly MadeRecord[],
  { isLittle = true, isNano = false, linkType = 1 } = {},
): Uint8Array {
  const header = new Writer(isLittle);
  header
    .u32(isNano ? 0xa1b23c4d : 0xa1b2c3d4)
    .u16(2)
    .u16(4)
    .u32(0)
    .u32(0)
    .u32(65535)
    .u32(linkType);
  const perSecond = isNano ? 1_000_000_000n : 1_000_000n;
  for (const { ticks, bytes, originalBytes = bytes.length } of records) {
    header.u32(Number(ticks / perSecond)).u32(Number(ticks % perSecond));
    header.u32(bytes.length).u32(originalBytes).raw(bytes);
  }
  return header.bytes();
}

/** An interface of a pcapng section. */
export interface MadeInterface {
  readonly linkType?: number;
  readonly snapBytes?: number;
  /** As the format has it: power of ten, or of two with bit 7. */
  readonly resolution?: number;
  readonly offsetSeconds?: bigint;
}

/** A section of a pcapng file, with a block of an unknown kind in it. */
export function pcapngBytes(
  interfaces: readonly MadeInterface[],
  records: readonly MadeRecord[],
  { isLittle = true, kind = 'enhanced' as 'enhanced' | 'old' | 'simple' } = {},
): Uint8Array {
  const file = new Writer(isLittle);
  const section = new Writer(isLittle)
    .u32(0x1a2b3c4d)
    .u16(1)
    .u16(0)
    .u32(0xffffffff)
    .u32(0xffffffff);
  file.block(0x0a0d0d0a, section.bytes());
  for (const { linkType = 1, snapBytes = 0, resolution, offsetSeconds } of interfaces) {
    const body = new Writer(isLittle).u16(linkType).u16(0).u32(snapBytes);
    body.option(2, new TextEncoder().encode('eth0'));
    if (resolution !== undefined) body.option(9, Uint8Array.of(resolution));
    if (offsetSeconds !== undefined) {
      body.option(14, new Writer(isLittle).i64(offsetSeconds).bytes());
    }
    file.block(1, body.option(0, new Uint8Array()).bytes());
  }
  file.block(0xbad, new Uint8Array(1000));
  for (const { ticks, bytes, originalBytes = bytes.length, interfaceNumber = 0 } of records) {
    const body = new Writer(isLittle);
    if (kind === 'simple') body.u32(originalBytes);
    else {
      if (kind === 'old') body.u16(interfaceNumber).u16(0);
      else body.u32(interfaceNumber);
      body.u32(Number(ticks >> 32n)).u32(Number(ticks & 0xffffffffn));
      body.u32(bytes.length).u32(originalBytes);
    }
    file.block({ enhanced: 6, old: 2, simple: 3 }[kind], body.raw(bytes).pad().bytes());
  }
  return file.bytes();
}

class Writer {
  readonly #isLittle: boolean;
  readonly #parts: number[] = [];

  constructor(isLittle: boolean) {
    this.#isLittle = isLittle;
  }

  u16(value: number): this {
    return this.#number(BigInt(value), 2);
  }

  u32(value: number): this {
    return this.#number(BigInt(value), 4);
  }

  i64(value: bigint): this {
    return this.#number(BigInt.asUintN(64, value), 8);
  }

  raw(bytes: Uint8Array): this {
    for (const byte of bytes) this.#parts.push(byte);
    return this;
  }

  pad(): this {
    while (this.#parts.length % 4 !== 0) this.#parts.push(0);
    return this;
  }

  option(code: number, value: Uint8Array): this {
    return this.u16(code).u16(value.length).raw(value).pad();
  }

  block(type: number, body: Uint8Array): this {
    const length = body.length + 12;
    return this.u32(type).u32(length).raw(body).u32(length);
  }

  bytes(): Uint8Array {
    return Uint8Array.from(this.#parts);
  }

  #number(value: bigint, count: number): this {
    const bytes = Array.from({ length: count }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
    return this.raw(Uint8Array.from(this.#isLittle ? bytes : bytes.toReversed()));
  }
}
