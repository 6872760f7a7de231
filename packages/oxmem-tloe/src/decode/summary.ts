import type { Conversation } from './conversation.ts';
import { REQUEST_KINDS, type EndCounts } from './conversation-stats.ts';
import type { DecoderCounts, FrameDecoder } from './frame-decoder.ts';
import { formatBytes, formatNanos, formatShare } from './quantities.ts';
import { VIOLATIONS, type Violation } from './violation.ts';

/** All that was decoded, added up, as values. Times in nanoseconds. */
export interface Summary {
  readonly capture: DecoderCounts;
  readonly connections: readonly ConnectionSummary[];
}

/** One connection, added up. */
export interface ConnectionSummary {
  readonly connection: number;
  readonly vc: number;
  readonly initiator: string;
  readonly endpoint: string;
  readonly to_endpoint: EndCounts;
  readonly to_initiator: EndCounts;
  /** Repeated frames as a part of all frames with a number, both ways. */
  readonly retransmission_rate: number;
  readonly latency: Readonly<Record<string, LatencySummary>>;
  readonly denied: number;
  readonly corrupt: number;
  readonly unanswered: number;
  readonly reopened: number;
  readonly violations: Readonly<Partial<Record<Violation, number>>>;
}

/** How long requests of one kind took to be answered. */
export interface LatencySummary {
  readonly count: number;
  readonly p50_ns: number;
  readonly p90_ns: number;
  readonly p99_ns: number;
  readonly max_ns: number;
}

/** What a decoder has seen so far. */
export function summaryOf(decoder: FrameDecoder): Summary {
  return { capture: { ...decoder.counts }, connections: decoder.conversations().map(ofConnection) };
}

function ofConnection(conversation: Conversation): ConnectionSummary {
  const { stats, initiator, endpoint } = conversation;
  const { forward, backward } = stats;
  const numbered = forward.frames + backward.frames - forward.ackOnly - backward.ackOnly;
  const latency = REQUEST_KINDS.map((kind) => {
    const histogram = stats.latency[kind];
    const values = {
      count: histogram.count,
      p50_ns: histogram.percentile(50),
      p90_ns: histogram.percentile(90),
      p99_ns: histogram.percentile(99),
      max_ns: histogram.maximum,
    };
    return [kind, values] as const;
  });
  return {
    connection: conversation.number,
    vc: conversation.vc,
    initiator,
    endpoint,
    to_endpoint: { ...forward },
    to_initiator: { ...backward },
    retransmission_rate: numbered === 0 ? 0 : (forward.repeated + backward.repeated) / numbered,
    latency: Object.fromEntries(latency.filter(([, { count }]) => count > 0)),
    denied: stats.denied,
    corrupt: stats.corrupt,
    unanswered: conversation.book.openRequests,
    reopened: stats.reopened,
    violations: Object.fromEntries(stats.violations),
  };
}

/** The same for people; ends with the end of a line. */
export function summaryText(summary: Summary): string {
  const { capture } = summary;
  const seconds = formatNanos(capture.elapsedNanos);
  const left: readonly (readonly [number, string])[] = [
    [capture.foreign, 'of another EtherType'],
    [capture.notEthernet, 'without a MAC header'],
    [capture.otherStations, 'of other stations'],
  ];
  const aside = left.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  const lines = [
    '',
    `${capture.tloe} TLoE frames in ${seconds}, ${capture.cut} cut short; ` +
      `passed over: ${aside.length === 0 ? 'none' : aside.join(', ')}`,
  ];
  if (capture.connectionsForgotten > 0) {
    lines.push(`${capture.connectionsForgotten} connections are left out: there were too many`);
  }
  return `${[...lines, ...summary.connections.flatMap(connectionLines)].join('\n')}\n`;
}

function connectionLines(connection: ConnectionSummary): string[] {
  const { initiator, endpoint, vc } = connection;
  const vcText = vc === 0 ? '' : `, vc ${vc}`;
  const share = `${(100 * connection.retransmission_rate).toFixed(2)} % of numbered frames repeated`;
  return [
    '',
    `connection ${connection.connection}: ${initiator} > ${endpoint}${vcText}; ${share}`,
    endLine('>', connection.to_endpoint),
    endLine('<', connection.to_initiator),
    ...Object.entries(connection.latency).map(([kind, values]) => latencyLine(kind, values)),
    `  ${connection.denied} denied, ${connection.corrupt} corrupt, ` +
      `${connection.unanswered} unanswered, ${connection.reopened} times reopened`,
    ...Object.entries(connection.violations).map(([code, count]) => {
      const { section, means } = VIOLATIONS[code as Violation];
      return `  !! ${count} x ${code}: ${means} (${section})`;
    }),
  ];
}

function endLine(side: string, counts: EndCounts): string {
  const { frames, bytes, ackOnly, repeated, duplicates, gaps, missing, naks } = counts;
  const numbered = frames - ackOnly;
  return (
    `  ${side} ${frames} frames (${formatBytes(bytes)}), ${ackOnly} AckOnly, ` +
    `${counts.messages} messages, ${formatBytes(counts.dataBytes)} of data; ` +
    `${repeated} resent (${formatShare(repeated, numbered)}), of them ${duplicates} in vain; ` +
    `${gaps} gaps, ${missing} missing, ${naks} NAK`
  );
}

function latencyLine(kind: string, values: LatencySummary): string {
  const { p50_ns: p50, p90_ns: p90, p99_ns: p99, max_ns: max } = values;
  const spans = `p50 ${formatNanos(p50)}, p90 ${formatNanos(p90)}, p99 ${formatNanos(p99)}`;
  return `  ${kind.padEnd(5)} ${values.count} answered, ${spans}, max ${formatNanos(max)}`;
}
