import { readFileSync } from 'node:fs';

/** The package's version. The binary has it built in instead of this file. */
export function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
