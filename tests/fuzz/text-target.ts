import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { parseFaultSpec } from '@oxmem/sim-endpoint';
import { Prng } from '@oxmem/tloe-protocol/testing';
import {
  formatAddress,
  formatDuration,
  formatMac,
  formatProbability,
  formatSize,
  parseAddress,
  parseDuration,
  parseInteger,
  parseMac,
  parseProbability,
  parseSize,
} from '@oxmem/tloe-protocol/text';
import { readCommandLine } from '../../packages/oxmem-bdev/src/cli/program.ts';
import { readRecords } from '../../packages/oxmem-bdev/src/kernel/device-record.ts';
import {
  formatListenAddress,
  parseListenAddress,
} from '../../packages/oxmem-bdev/src/server/listen-address.ts';
import { readWitnessFile } from '../../packages/oxmem-bdev/src/witness/witness-file.ts';
import { parseCommandLine } from '../../packages/sim-endpoint/src/cli/command-line.ts';
import { law, type FuzzTarget, type Genes } from './fuzz-target.ts';

const GOOD = [
  '',
  ...words(
    '8G 9007199254740991 1.5K 4KiB 0x100000000 ffffffffffffffff 04:00:00:00:00:01 04-3F-00-00-00-02',
    '10ms 1m 30s 1% 0.001 1e-9 loss=1% rx:dup=0.5,loss=3% delay=2ms±1ms stall=1%/50ms habit=deaf',
    'unix:/run/x.sock tcp:[::1]:10809 auto',
  ),
];
const STRANGE = [
  '\0',
  '\n',
  '\u001b[2J',
  '\u202e',
  '\ud800',
  'é',
  '—',
  '٣',
  ' ',
  '-',
  '=',
  ',',
  ':',
  '%',
  '9',
];
const DRIVER_FLAGS = words(
  '--netdev --mac --size --base --device --num --attach --takeover --restart-wait --swap --listen',
  '--tls-cert --tls-key --tls-ca --read-only --block-size --max-request --window --busy-poll',
  '--data-order --profile --request-timeout --open-timeout --endpoint-lost --pcap --pid-file',
  '--log-level --log-format --help -V detach status doctor --force --json --timeout --nonsense --',
);
const ENDPOINT_FLAGS = words(
  '--netdev --size --base --backing --data-order --max-connections --max-request --range',
  '--alignment --profile --fault --seed --pcap --pid-file --log-level --log-format --help --odd',
);

/** A good text, or one that was tampered with. */
function textOf(prng: Prng): string {
  let text = prng.pick(GOOD);
  for (let i = prng.below(4); i > 0; i--) {
    const at = prng.below(text.length + 1);
    const drawn = prng.below(4);
    if (drawn === 0) text = text.slice(0, at) + prng.pick(STRANGE) + text.slice(at);
    else if (drawn === 1) text = text.slice(0, at) + text.slice(at + 1);
    else if (drawn === 2) text += prng.pick(GOOD);
    else text = text.slice(0, at) + String.fromCodePoint(prng.below(0xd800)) + text.slice(at + 1);
  }
  return prng.chance(0.005) ? text.repeat(5_000) : text;
}

/** Reads a text; what it is read as must be written so that it is read as the same again. */
type Law = (text: string) => void;

function roundTrip<Value>(
  parse: (text: string) => Value | undefined,
  format: (value: Value) => string,
): Law {
  return (text) => {
    const value = parse(text);
    if (value === undefined) return;
    const again = parse(format(value));
    law(isDeepStrictEqual(again, value), () => `${format(value)} is not read as it was meant`);
  };
}

const TEXT_LAWS: readonly Law[] = [
  roundTrip(parseSize, formatSize),
  roundTrip(parseAddress, formatAddress),
  roundTrip(parseMac, formatMac),
  roundTrip(parseDuration, formatDuration),
  roundTrip(parseProbability, formatProbability),
  roundTrip(parseListenAddress, formatListenAddress),
  (text) => {
    const number = parseInteger(text, { min: -5, max: 1e6 });
    law(
      number === undefined || (number >= -5 && number <= 1e6),
      () => `${number} is out of bounds`,
    );
  },
  (text) => {
    const result = parseFaultSpec(text);
    law(result.ok || result.reason.length > 0, () => 'a fault that is refused has a reason');
  },
];

/** Sizes, addresses, durations, fault specifications: whatever stands there, a value or undefined. */
export const textTarget: FuzzTarget = {
  name: 'texts',
  about: 'sizes, addresses, MACs, durations, probabilities, places, fault specifications',
  maxGenes: 200,
  casesAtATime: 6,
  run(genes: Genes): number {
    for (const gene of genes) {
      const text = textOf(new Prng(gene));
      for (const check of TEXT_LAWS) check(text);
    }
    return 0;
  },
  describe: (genes) => genes.map((gene) => JSON.stringify(textOf(new Prng(gene)))),
};

function argumentOf(gene: number, flags: readonly string[]): string {
  const prng = new Prng(gene);
  const drawn = prng.nextFloat();
  if (drawn < 0.15) return textOf(prng);
  const flag = prng.pick(flags);
  return drawn < 0.4 ? flag : `${flag}=${textOf(prng)}`;
}

/** Command lines: options to run with, a text to print, or one sentence. */
export const commandTarget: FuzzTarget = {
  name: 'commands',
  about: 'the command lines of both programs',
  maxGenes: 16,
  casesAtATime: 18,
  run(genes: Genes): number {
    const required = ['--netdev=eth0', '--mac=04:00:00:00:00:01', '--size=1G'];
    const driverArgs = genes.map((gene) => argumentOf(gene, DRIVER_FLAGS));
    const driver = readCommandLine([...required, ...driverArgs]);
    if (driver.kind === 'usageError') expectSentence(driver.sentence);
    const command = readCommandLine(driverArgs);
    if (command.kind === 'usageError') expectSentence(command.sentence);
    const endpointArgs = genes.map((gene) => argumentOf(gene, ENDPOINT_FLAGS));
    const endpoint = parseCommandLine(['--netdev=eth0', '--size=1G', ...endpointArgs]);
    if (endpoint.kind === 'usage') expectSentence(endpoint.problem);
    return 0;
  },
  describe: (genes) =>
    genes.map((gene) =>
      [DRIVER_FLAGS, ENDPOINT_FLAGS]
        .map((flags) => JSON.stringify(argumentOf(gene, flags)))
        .join(' / '),
    ),
};

/** One line that a terminal can be trusted with. */
function expectSentence(text: string): void {
  law(text.length > 0, () => 'a wrong command line gets a sentence');
  law(!/\p{C}/u.test(text), () => `control characters: ${JSON.stringify(text)}`);
}

const RECORD =
  '{"pid":1,"startTime":2,"device":"/dev/nbd0","sizeBytes":4096,"base":"0x0","netdev":"eth0",' +
  '"mac":"04:00:00:00:00:01","way":"netlink","identifier":"x","readOnly":false,"blockBytes":512}';
const WITNESS_BYTES = 16 + 64 * 16;

function fileOf(gene: number): Buffer {
  const prng = new Prng(gene);
  const isRecord = (gene & 1) === 0;
  const bytes = isRecord ? Buffer.from(RECORD) : Buffer.alloc(WITNESS_BYTES);
  if (!isRecord) {
    bytes.write('oxmem-witness-1\n', 0, 'latin1');
    if (prng.chance(0.7)) prng.fillBytes(bytes.subarray(16));
  }
  for (let i = prng.below(4); i > 0; i--) bytes[prng.below(bytes.length)] = prng.below(256);
  return prng.chance(0.2) ? bytes.subarray(0, prng.below(bytes.length)) : bytes;
}

/** What a driver that died may have left, or what somebody has put in its place. */
export const fileTarget: FuzzTarget = {
  name: 'files',
  about: 'files that a driver finds when it starts: samples of a witness, records of devices',
  maxGenes: 60,
  casesAtATime: 1,
  run(genes: Genes): number {
    const folder = mkdtempSync(join(tmpdir(), 'oxmem-fuzz-'));
    try {
      for (const gene of genes) {
        const isRecord = (gene & 1) === 0;
        const path = join(folder, isRecord ? 'nbd0.json' : 'nbd0.witness');
        writeFileSync(path, fileOf(gene));
        if (!isRecord) expectSamples(path);
        else law(readRecords(folder).length === 1, () => 'a record is read, or says why not');
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
    return 0;
  },
  describe: (genes) => genes.map((gene) => fileOf(gene).toString('latin1')),
};

function expectSamples(path: string): void {
  for (const { offset, crc } of readWitnessFile(path)) {
    law(Number.isSafeInteger(offset) && offset >= 0, () => `a sample at ${offset}`);
    law(Number.isInteger(crc), () => `a checksum of ${crc}`);
  }
}

function words(...lines: readonly string[]): string[] {
  return lines.flatMap((line) => line.split(' '));
}
