import { REJECT_REASON_NAMES } from '../wire/reject-reason.ts';
import { byReason, type Metric } from './metric-text.ts';

/** The counters of links in a report, by their names there. */
export interface LinkReport {
  readonly counters: Readonly<Record<string, number>>;
  /** Frames dropped, by reason; reasons that never occurred are left out. */
  readonly rejected_frames: Readonly<Record<string, number>>;
}

/** What the counters of `LinkStats` mean, by their names in reports. */
const MEANINGS: Readonly<Record<string, string>> = {
  frames_sent: 'Frames that were sent with a number of their own, each counted once',
  frames_received: 'Frames from the peer that were taken',
  messages_sent: 'TileLink messages sent',
  messages_received: 'TileLink messages received',
  ack_only_sent: 'Frames sent that only acknowledge, those that report a gap included',
  naks_sent: 'Of these, frames that report a gap',
  ack_only_received: 'Frames received that only acknowledge',
  naks_received: 'Of these, frames that report a gap',
  frames_resent: 'Frames sent again',
  retransmit_timeouts: 'Times that nothing was heard for so long that frames were sent again',
  probes: 'Frames sent again alone because nothing was heard for a moment',
  duplicates: 'Frames that came a second time and were dropped',
  out_of_order: 'Frames that came ahead of their turn',
  skipped: 'Numbers given up because the peer never sends again',
  receiver_full: 'Frames not taken for want of room; the peer sends them again',
  bogus_acks: 'Acknowledgements of frames that were never sent',
  credits_restored: 'Times that credits were restored because the peer did not return them',
  credit_frames_sent: 'Frames sent that only return credits',
};

const REJECT_REASONS = REJECT_REASON_NAMES.filter((name) => name !== 'none');

/** The metrics of links, the same for drivers and endpoints. */
export const LINK_METRICS: readonly Metric<{ readonly link: LinkReport }>[] = [
  ...Object.entries(MEANINGS).map(([counter, help]): Metric<{ readonly link: LinkReport }> => ({
    name: `oxmem_link_${counter}_total`,
    kind: 'counter',
    help,
    read: ({ link }) => [{ value: link.counters[counter] ?? 0 }],
  })),
  {
    name: 'oxmem_link_rejected_frames_total',
    kind: 'counter',
    help: 'Frames that were dropped, by reason',
    labels: { reason: REJECT_REASONS },
    read: ({ link }) => byReason(REJECT_REASONS, link.rejected_frames),
  },
];

/** The metrics of raw sockets, the same for drivers and endpoints. */
export const SOCKET_METRICS: readonly Metric<{
  readonly socket: { readonly counters: Readonly<Record<string, number>> };
}>[] = Object.entries({
  frames_sent: 'Frames that the raw socket has taken, of any kind, resent ones included',
  bytes_sent: 'Their bytes, Ethernet headers included',
  frames_received: 'Frames that came from the raw socket',
  bytes_received: 'Their bytes, Ethernet headers included',
  send_calls: 'System calls to send',
  receive_calls: 'Looks for frames, found or not',
  send_blocked: 'Times that the socket took less than was offered',
  send_errors: 'Frames that the system refused to send',
  receive_truncated: 'Frames longer than the MTU allows, cut and dropped',
  kernel_drops: 'Frames that the kernel dropped because the socket was full',
}).map(([counter, help]) => ({
  name: `oxmem_socket_${counter}_total`,
  kind: 'counter',
  help,
  read: ({ socket }) => [{ value: socket.counters[counter] ?? 0 }],
}));

/** Fields that are numbers, under the names that they have in reports: `framesSent`: `frames_sent`. */
export function reportCounters(counters: object): Record<string, number> {
  const numbers = Object.entries(counters).filter(([, value]) => typeof value === 'number');
  return Object.fromEntries(numbers.map(([name, value]) => [snakeCase(name), value as number]));
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
