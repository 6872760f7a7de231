import { writeFileSync } from 'node:fs';
import { RawSocket } from '@oxmem/rawsock';
import { DEFAULT_ETHER_TYPE, formatAddress, formatMac } from '@oxmem/tloe-protocol';
import { SystemClock } from '@oxmem/tloe-protocol/node';
import { CheckRun, type CheckResult, type Restoration } from '../check/check-run.ts';
import { junitXml } from '../check/junit.ts';
import type { Scenario } from '../check/scenario.ts';
import type { Outcome } from '../check/verdict.ts';
import { SCENARIOS } from '../check/scenarios/index.ts';
import type { ScratchRange } from '../check/scratch-range.ts';
import { ScriptedInitiator } from '../check/scripted-initiator.ts';
import { formatBytes, formatNanos } from '../decode/quantities.ts';
import { isColoured, type CliEnvironment } from './environment.ts';
import { ExitCode } from './exit-codes.ts';

/** What `oxmem-tloe check` was told. */
export interface CheckOptions {
  readonly netdev: string;
  readonly mac: Uint8Array;
  readonly etherType: number | undefined;
  readonly scratch: ScratchRange;
  /** Names of scenarios; empty: all. */
  readonly only: readonly string[];
  readonly junit: string | undefined;
}

/** The names, what an endpoint does, and what that rests on. */
export function listScenarios(): string {
  const width = Math.max(...SCENARIOS.map(({ name }) => name.length));
  return SCENARIOS.map(
    ({ name, title, basis }) =>
      `${name.padEnd(width)}  ${title}\n${' '.repeat(width + 2)}(${basis})\n`,
  ).join('');
}

/**
 * Plays the scenarios over a network interface.
 *
 * @throws RawSocketError as `RawSocket.open` does
 */
export async function runCheck(
  options: CheckOptions,
  environment: CliEnvironment,
): Promise<ExitCode> {
  const { netdev, mac, etherType, scratch } = options;
  const clock = new SystemClock();
  const transport = RawSocket.open(
    {
      interfaceName: netdev,
      etherType: etherType ?? DEFAULT_ETHER_TYPE,
      requireUp: true,
      // So that a capture on this machine shows what was said.
      bypassQdisc: false,
    },
    environment.binding,
  );
  const peer = new ScriptedInitiator({ transport, clock, endpointMac: mac, etherType });
  const report = new CheckReport(options, environment);
  let isStopped = false;
  environment.onStop(() => {
    isStopped = true;
  });
  try {
    report.announce();
    const run = new CheckRun(peer, scratch);
    if (!(await run.begin())) {
      report.complain(
        `${formatMac(mac)} does not answer an Open on ${netdev}: look at the MAC address, at the ` +
          'cable, and whether it holds an older connection of this machine.',
      );
      return ExitCode.noAnswer;
    }
    for (const scenario of chosen(options.only)) {
      if (!isStopped) report.add(await run.play(scenario));
    }
    report.close(await run.finish());
    if (peer.failure !== undefined) report.complain(peer.failure.message);
    return report.hasFailed || peer.failure !== undefined ? ExitCode.failed : ExitCode.done;
  } finally {
    peer.close();
  }
}

function chosen(only: readonly string[]): readonly Scenario[] {
  return only.length === 0 ? SCENARIOS : SCENARIOS.filter(({ name }) => only.includes(name));
}

const WORDS: Readonly<Record<Outcome, { text: string; colour: number }>> = {
  pass: { text: 'pass', colour: 32 },
  fail: { text: 'FAIL', colour: 31 },
  'not-supported': { text: 'not supported', colour: 33 },
};

const RESTORED: Readonly<Record<Restoration, string>> = {
  restored: 'what the scratch range held has been put back',
  'not-restored': 'what the scratch range held could NOT be put back',
  'not-read': 'the scratch range could not be read before: it holds what the check wrote',
};

/** What people see, and the file for machines. */
class CheckReport {
  readonly #options: CheckOptions;
  readonly #environment: CliEnvironment;
  readonly #results: CheckResult[] = [];

  constructor(options: CheckOptions, environment: CliEnvironment) {
    this.#options = options;
    this.#environment = environment;
  }

  get hasFailed(): boolean {
    return this.#results.some(({ outcome }) => outcome === 'fail');
  }

  announce(): void {
    const { mac, netdev, scratch } = this.#options;
    this.#write(
      `checking ${formatMac(mac)} on ${netdev}; writes to ${formatBytes(scratch.sizeBytes)} at ` +
        `${formatAddress(scratch.base)}\n`,
    );
  }

  add(result: CheckResult): void {
    this.#results.push(result);
    const { scenario, outcome, detail, micros } = result;
    const { text, colour } = WORDS[outcome];
    const padded = text.padEnd(14);
    const word = isColoured(this.#environment) ? `\u001b[${colour}m${padded}\u001b[39m` : padded;
    const time = formatNanos(Math.round(micros) * 1000).padStart(8);
    this.#write(`${word}${time}  ${scenario.name}\n`);
    if (outcome === 'pass') return;
    const indent = ' '.repeat(24);
    this.#write(`${indent}${detail}\n${indent}an endpoint ${scenario.title} (${scenario.basis})\n`);
  }

  close(restoration: Restoration): void {
    const count = (outcome: Outcome): number =>
      this.#results.filter((result) => result.outcome === outcome).length;
    const [passed, failed, other] = [count('pass'), count('fail'), count('not-supported')];
    this.#write(
      `${passed} passed, ${failed} failed, ${other} not supported; ${RESTORED[restoration]}\n`,
    );
    const { junit, mac } = this.#options;
    if (junit === undefined) return;
    try {
      writeFileSync(junit, junitXml(formatMac(mac), this.#results));
    } catch (error) {
      this.complain(
        `"${junit}" cannot be written: ${(error as Error).message}; name another file.`,
      );
    }
  }

  complain(sentence: string): void {
    this.#environment.stderr.write(`oxmem-tloe: ${sentence}\n`);
  }

  #write(text: string): void {
    this.#environment.stdout.write(text);
  }
}
