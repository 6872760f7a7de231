import type { NativeBinding } from '@oxmem/rawsock';

/** Where text goes. */
export interface TextStream {
  /** False: wait for `drain` before more is written. */
  write(text: string): boolean;
  once(event: 'drain' | 'close', listener: () => void): unknown;
  readonly isTTY?: boolean;
  readonly destroyed?: boolean;
}

/** The outside, as the commands see it. */
export interface CliEnvironment {
  readonly stdout: TextStream;
  readonly stderr: { write(text: string): unknown };
  readonly stdin: AsyncIterable<Uint8Array>;
  /** NO_COLOR, as the environment has it. */
  readonly noColor: string | undefined;
  /** Registers who is told of the first request to stop. */
  onStop(listener: () => void): void;
  /** A mock of the native socket, for tests. */
  readonly binding?: NativeBinding;
}

/** Whether colours are wanted; see no-color.org. */
export function isColoured({ stdout, noColor }: CliEnvironment): boolean {
  return stdout.isTTY === true && (noColor ?? '') === '';
}
