import { Command, CommandFlag, ExportTable, Option } from '@oxmem/nbd-protocol';
import { MemoryBlockBackend, MemoryLink, NbdTestClient } from '@oxmem/nbd-protocol/testing';
import { Prng } from '@oxmem/tloe-protocol/testing';
import { law, type FuzzTarget, type Genes } from './fuzz-target.ts';

const SIZE = 256 * 1024;
const LIMITS = {
  slabBytes: 512 * 1024,
  requests: 32,
  maxRequestBytes: 1024 * 1024,
  options: 64,
  optionDataBytes: 4096,
  handshakeBytes: 64 * 1024,
};
/** Bytes that a server may say of itself for each thing that is asked, besides data of the export. */
const MOST_WORDS = 512;
const NAMES = ['', 'disk', 'other', 'none', 'x'.repeat(300), 'a\u0000b', '\u001b[2J'] as const;
const QUERIES = ['base:allocation', 'base:', 'qemu:x', ''] as const;
const OPTIONS = [...Object.values(Option), 0, 4, 4711, 0xffffffff];
const COMMANDS = [...Object.values(Command), 9, 0xffff];
const LENGTHS = [0, 1, 512, 4096, 65_536, SIZE, SIZE + 1, 2 ** 20, 2 ** 25, 0xffffffff] as const;
const OFFSETS = [0, 1, 4096, SIZE - 1, SIZE, 2 ** 32, 2 ** 53 - 1] as const;

/** Writes what a gene stands for: one option. */
function sendOption(client: NbdTestClient, prng: Prng): void {
  const drawn = prng.nextFloat();
  if (drawn < 0.2)
    client.sendInfo(prng.pick([Option.INFO, Option.GO]), prng.pick(NAMES), [0, 3, 9]);
  else if (drawn < 0.4) {
    const option = prng.pick([Option.LIST_META_CONTEXT, Option.SET_META_CONTEXT]);
    client.sendMetaContext(option, prng.pick(NAMES), [prng.pick(QUERIES), prng.pick(QUERIES)]);
  } else {
    const data = new Uint8Array(prng.chance(0.6) ? 0 : prng.below(prng.chance(0.1) ? 9000 : 60));
    prng.fillBytes(data);
    client.sendOption(prng.pick(OPTIONS), data);
  }
}

/** The same for one request. */
function sendRequest(client: NbdTestClient, prng: Prng): void {
  const isSensible = prng.chance(0.8);
  const length = isSensible ? prng.between(1, 9000) : prng.pick(LENGTHS);
  const offset = isSensible ? prng.below(SIZE - 9000) : prng.pick(OFFSETS);
  const flags = prng.chance(0.8) ? 0 : prng.pick([...Object.values(CommandFlag), 0x8000]);
  const type = prng.chance(0.02) ? Command.DISC : prng.pick(COMMANDS);
  if (type === Command.DISC && prng.chance(0.9)) return;
  if (type !== Command.WRITE) {
    client.sendRequest({ type, offset, length, flags });
    return;
  }
  // Now and then more or less comes than was announced.
  const payload = new Uint8Array(prng.chance(0.95) ? Math.min(length, 20_000) : prng.below(100));
  client.sendRequest({ type, offset, flags, length, payload: payload.fill(prng.below(256)) });
}

/** What a client sends for a whole connection, byte by byte. */
function streamOf(genes: Genes, isHandshake: boolean): Uint8Array {
  const client = new NbdTestClient();
  if (isHandshake) client.sendFlags((genes[0] as number) % 8 === 0 ? 4 : 3);
  else client.sendHandshake('disk', (genes[0] as number) % 2 === 0);
  const parts = [client.takeOutgoing()];
  for (const gene of genes) {
    const prng = new Prng(gene);
    if (isHandshake) sendOption(client, prng);
    else sendRequest(client, prng);
    const bytes = client.takeOutgoing();
    if (bytes.length > 0 && prng.chance(0.02)) damage(prng, bytes);
    parts.push(bytes);
  }
  return Buffer.concat(parts);
}

function damage(prng: Prng, bytes: Uint8Array): void {
  for (let i = prng.between(1, 3); i > 0; i--)
    bytes[prng.below(Math.min(bytes.length, 40))] = prng.below(256);
}

interface Served {
  readonly said: Buffer;
  readonly memory: Uint8Array;
  readonly reason: string | undefined;
}

const IN_ONE_PIECE = (): number => Number.MAX_SAFE_INTEGER;

/** Feeds a stream, cut as `cut` says, and ends. */
function serve(stream: Uint8Array, tls: boolean, cut: () => number): Served {
  const backend = new MemoryBlockBackend({ sizeBytes: SIZE });
  const exports = new ExportTable([
    { name: 'disk', backend },
    { name: 'other', description: 'of nobody', backend },
  ]);
  const link = new MemoryLink({ exports, limits: LIMITS, tls }, { inputCut: cut });
  const { connection } = link;
  // What the server says is only compared: a client that sends nonsense need not understand it.
  link.client.receive = () => undefined;
  link.client.sendRaw(stream);
  link.run();
  law(connection.requestsInUse <= LIMITS.requests, () => 'requests are bounded');
  law(connection.slabBytesInUse <= LIMITS.slabBytes, () => 'memory of requests is bounded');
  // What has not been read when TLS starts is TLS's to judge; what has been read is refused.
  const isSlipped = link.startTlsCalls > 0 && link.bytesWaiting > 0;
  law(!isSlipped || cut !== IN_ONE_PIECE, () => 'plain bytes wait behind STARTTLS');
  if (isSlipped) connection.abort('no TLS');
  else if (link.startTlsCalls > 0) connection.tlsStarted();
  link.run();
  connection.endInput();
  link.run();
  connection.abort('the end of the case');
  law(link.isReleased, () => 'a connection that is over is released');
  law(connection.requestsInUse === 0 && connection.slabBytesInUse === 0, () => 'nothing is left');
  const reason = link.closeReason;
  return { said: Buffer.from(link.allServerBytes()), memory: backend.peek(0, SIZE), reason };
}

function nbdTarget(phase: 'handshake' | 'transmission'): FuzzTarget {
  const isHandshake = phase === 'handshake';
  return {
    name: `nbd-${phase}`,
    about: `the ${phase} of an NBD connection, with streams that were tampered with`,
    maxGenes: isHandshake ? 90 : 120,
    casesAtATime: 12,
    run(genes: Genes): number {
      const stream = streamOf(genes, isHandshake);
      const tls = isHandshake && (genes[0] as number) % 3 === 0;
      const whole = serve(stream, tls, IN_ONE_PIECE);
      const prng = new Prng(genes[0] as number);
      // With TLS it matters what came together: bytes behind STARTTLS are refused.
      const cut = (): number => (prng.chance(0.3) ? prng.between(1, 40) : prng.between(1, 9000));
      const inPieces = serve(stream, tls, cut);
      // Where bytes were slipped in behind STARTTLS, it depends on who sees them first.
      if (tls && inPieces.reason === 'hostAborted') return 0;
      law(whole.reason === inPieces.reason, () => `${whole.reason} or ${inPieces.reason}`);
      law(whole.said.equals(inPieces.said), () => 'how a stream is cut changes what is answered');
      law(Buffer.compare(whole.memory, inPieces.memory) === 0, () => '... and what is written');
      const most = (genes.length + 4) * (MOST_WORDS + (isHandshake ? 0 : SIZE));
      law(whole.said.length <= most, () => `${whole.said.length} bytes were answered`);
      return 0;
    },
    describe: (genes) => [Buffer.from(streamOf(genes, isHandshake)).toString('hex')],
  };
}

/** The options before the transmission phase, with and without TLS. */
export const handshakeTarget: FuzzTarget = nbdTarget('handshake');
/** The requests. */
export const transmissionTarget: FuzzTarget = nbdTarget('transmission');
