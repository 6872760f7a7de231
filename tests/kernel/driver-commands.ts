/** The commands of oxmem-bdev besides serving, as tests run them, and what they must not leave. */
import { readFileSync, readdirSync } from 'node:fs';
import { expect } from 'vitest';
import type { ProgramResult } from '../lab-program.ts';
import { runProgram } from '../lab-program.ts';
import { driverCommand } from '../oxmem-lab.ts';
import { PATIENCE_MS } from './kernel-programs.ts';

/** Runs a command of the program. */
export async function oxmem(...args: readonly string[]): Promise<ProgramResult> {
  return await runProgram([...driverCommand, ...args], { timeoutMs: PATIENCE_MS });
}

/** What `status --json` says about a device, by the names that its document promises. */
export async function deviceStatus(path: string): Promise<Record<string, unknown>> {
  const { code, stdout } = await oxmem('status', '--json');
  expect(code).toBe(0);
  const { devices } = JSON.parse(stdout) as { devices: Record<string, unknown>[] };
  const found = devices.find(({ device }) => device === path);
  if (found === undefined) throw new Error(`${path} is not in ${stdout}`);
  return found;
}

/** Names of programs that sleep and cannot be woken, for these tests' programs only. */
export function sleepers(): string[] {
  const names = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return names.flatMap((pid) => {
    const [, command = '', state] = /\((.*)\) (\w)/.exec(statOf(pid)) ?? [];
    return state === 'D' && ['dd', 'node', 'umount'].includes(command) ? [command] : [];
  });
}

function statOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return '';
  }
}
