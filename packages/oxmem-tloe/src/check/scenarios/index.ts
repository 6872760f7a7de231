/** Every dialogue of the check, in the order in which they are played. */
import type { Scenario } from '../scenario.ts';
import { CLOSING } from './closing.ts';
import { CREDITS } from './credits.ts';
import { MEMORY, accesses } from './memory.ts';
import { OPENING } from './opening.ts';
import { ORDER } from './order.ts';
import { HARSH, REFUSALS, TOO_LARGE } from './refusals.ts';
import { RESENDING } from './resending.ts';

/** OX is OmniXtend 1.0.3, TL is TileLink 1.8.0. */
export const SCENARIOS: readonly Scenario[] = [
  ...OPENING,
  ...ORDER,
  ...RESENDING,
  ...CREDITS,
  ...MEMORY,
  ...REFUSALS,
  ...CLOSING,
  ...accesses(1024),
  ...HARSH,
  ...accesses(4096),
  TOO_LARGE,
];
