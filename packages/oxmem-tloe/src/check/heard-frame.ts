import type { MessageFields, Micros } from '@oxmem/tloe-protocol';
import type { FrameHeader } from '../decode/decoded-frame.ts';
import type { Violation } from '../decode/violation.ts';

/** A message of the endpoint with a copy of what follows its head. */
export type HeardMessage = MessageFields & { readonly body: Uint8Array };

/** A frame of the endpoint. */
export interface HeardFrame extends FrameHeader {
  readonly at: Micros;
  readonly messages: readonly HeardMessage[];
  /** A numbered frame whose number was heard before. */
  readonly isRepeated: boolean;
  /** What is wrong with it by itself. */
  readonly violations: readonly Violation[];
  /** A copy of the whole frame. */
  readonly bytes: Uint8Array;
}
