import { captureTarget } from './capture-target.ts';
import { decoderTarget } from './decoder-target.ts';
import type { FuzzTarget } from './fuzz-target.ts';
import { impostorTarget } from './impostor-target.ts';
import { linkTarget } from './link-target.ts';
import { handshakeTarget, transmissionTarget } from './nbd-target.ts';
import { strangerTarget } from './stranger-target.ts';
import { commandTarget, fileTarget, textTarget } from './text-target.ts';

/** Everything that is fuzzed. */
export const FUZZ_TARGETS: readonly FuzzTarget[] = [
  decoderTarget,
  linkTarget,
  strangerTarget,
  impostorTarget,
  handshakeTarget,
  transmissionTarget,
  captureTarget,
  textTarget,
  commandTarget,
  fileTarget,
];
