/** Longest text in an error reply. Some clients mishandle long ones, so it is short. */
export const MAX_TEXT_CHARACTERS = 200;

/** UTF-8 bytes of a string; a lone surrogate becomes U+FFFD. */
export function encodeUtf8(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of text) pushCodePoint(bytes, character.codePointAt(0) ?? 0);
  return Uint8Array.from(bytes);
}

function pushCodePoint(bytes: number[], given: number): void {
  const point = given >= 0xd800 && given <= 0xdfff ? 0xfffd : given;
  if (point < 0x80) {
    bytes.push(point);
  } else if (point < 0x800) {
    bytes.push(0xc0 | (point >> 6), 0x80 | (point & 63));
  } else if (point < 0x10000) {
    bytes.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
  } else {
    bytes.push(0xf0 | (point >> 18), 0x80 | ((point >> 12) & 63));
    bytes.push(0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
  }
}

/**
 * Bytes of a stranger as text that is safe in logs and messages: printable ASCII stays, everything
 * else becomes `?`, and what exceeds `maxCharacters` is cut off with an ellipsis.
 */
export function printableBytes(
  bytes: Uint8Array,
  start: number,
  end: number,
  maxCharacters: number,
): string {
  const stop = Math.min(end, start + maxCharacters);
  let text = '';
  for (let i = start; i < stop; i++) text += printableCharacter(bytes[i] ?? 0);
  return stop < end ? `${text}...` : text;
}

/** A string with everything but printable ASCII replaced by `?`, at most 200 characters. */
export function printableText(text: string): string {
  const stop = Math.min(text.length, MAX_TEXT_CHARACTERS);
  let safe = '';
  for (let i = 0; i < stop; i++) safe += printableCharacter(text.charCodeAt(i));
  return safe;
}

/** Writes text as `printableText` would show it; returns the number of bytes. */
export function writePrintableText(view: DataView, offset: number, text: string): number {
  const length = Math.min(text.length, MAX_TEXT_CHARACTERS);
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    view.setUint8(offset + i, isPrintable(code) ? code : 0x3f);
  }
  return length;
}

function printableCharacter(code: number): string {
  return isPrintable(code) ? String.fromCharCode(code) : '?';
}

function isPrintable(code: number): boolean {
  return code >= 0x20 && code < 0x7f;
}
