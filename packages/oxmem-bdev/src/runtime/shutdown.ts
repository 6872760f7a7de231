import { SECOND, type CloseResult, type Micros } from '@oxmem/tloe-protocol';
import { formatDuration } from '@oxmem/tloe-protocol/text';

/** Time for requests in flight to finish and be answered. */
export const DRAIN_MICROS: Micros = SECOND;

/** What there is to shut down. */
export interface ShutdownParts {
  readonly frontEnd: { stop(graceMicros: Micros): Promise<void> };
  readonly link: { close(): Promise<CloseResult> };
  /** Time within which `link.close` gives up. */
  readonly closeTimeoutMicros: Micros;
  /** Everything else: files. */
  release(): Promise<void>;
}

/**
 * Ends the driver in good order: first the device, so that nobody asks any more and nothing is in
 * flight; then the link, with a Close that the endpoint confirms; then the rest.
 *
 * @param print  takes the lines that users and scripts wait for
 */
export async function shutDown(parts: ShutdownParts, print: (line: string) => void): Promise<void> {
  await parts.frontEnd.stop(DRAIN_MICROS);
  print('Closing OmniXtend connection...');
  const how = await parts.link.close();
  print(describeClose(how, parts.closeTimeoutMicros));
  await parts.release();
  print('Cleanup complete');
}

function describeClose(how: CloseResult, timeout: Micros): string {
  switch (how) {
    case 'confirmed':
      return 'Disconnect packet sent successfully';
    case 'unanswered':
      return (
        'Disconnect packet not confirmed: the endpoint did not answer within ' +
        formatDuration(timeout)
      );
    case 'byPeer':
      return 'Disconnect packet not needed: the endpoint had closed the connection';
    case 'unopened':
      return 'Disconnect packet not sent: the connection was not open';
  }
}
