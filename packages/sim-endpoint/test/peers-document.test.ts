import { readFileSync } from 'node:fs';
import {
  INITIATOR_PROFILES,
  INITIATOR_SIGNS,
  PEER_PROFILES,
  RESPONDER_SIGNS,
  type PeerProfile,
} from '@oxmem/tloe-protocol';
import { expect, it } from 'vitest';
import { ENDPOINT_PERSONAS, HABIT_FAULTS, INITIATOR_PERSONAS } from '../src/index.ts';

const document = readFileSync(new URL('../../../docs/peers.md', import.meta.url), 'utf8');
const specNotes = readFileSync(new URL('../../../docs/spec-notes.md', import.meta.url), 'utf8');
const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

/** The cells of the rows of the table in a section, without its heading. */
function rowsOf(section: string, page = document): string[][] {
  const text = page.split(`## ${section}`)[1]?.split('\n## ')[0] ?? '';
  const lines = text.split('\n').filter((line) => line.startsWith('| '));
  const cells = lines.map((line) => line.split('|').slice(1, -1));
  return cells.slice(2).map((row) => row.map((cell) => cell.trim()));
}

/** Rows as lines, in an order that does not matter. */
function textOf(rows: readonly string[][]): string[] {
  return rows.map((row) => row.join(' | ')).toSorted((a, b) => a.localeCompare(b));
}

function gap({ gapMicros }: PeerProfile): string {
  if (gapMicros === 0) return 'at once';
  if (gapMicros === Infinity) return 'never';
  return gapMicros < 1_000_000 ? `${gapMicros / 1000} ms` : `${gapMicros / 1_000_000} s`;
}

it('docs/peers.md says of endpoints what the code does', () => {
  const rows = Object.values(PEER_PROFILES).map((profile) => {
    const sign = RESPONDER_SIGNS.find((each) => each.profile === profile.name);
    const { requestTimeoutMicros } = profile;
    return [
      profile.name,
      sign === undefined ? 'anything else' : signOf(sign.grants, sign.goesOn),
      String(2 ** profile.maxGetLog2),
      String(2 ** profile.maxPutLog2),
      profile.hasPutPartial ? 'yes' : 'no',
      String(profile.maxTloeBytes),
      gap(profile),
      profile.returnsCredits ? 'obeyed' : 'ignored',
      requestTimeoutMicros === Infinity ? 'as configured' : `${requestTimeoutMicros / 1000} ms`,
    ];
  });
  expect(textOf(rowsOf('Endpoints, seen by our driver'))).toEqual(textOf(rows));
});

function signOf(grants: readonly string[], goesOn: boolean): string {
  return goesOn ? `${grants.join(' ')} ${grants.at(-1)} …` : grants.join(' ');
}

it('docs/peers.md says of drivers what the code does', () => {
  const rows = Object.values(INITIATOR_PROFILES).map((profile) => {
    const sign = INITIATOR_SIGNS.find((each) => each.profile === profile.name);
    return [
      profile.name,
      sign === undefined ? 'anything else' : `${sign.grants.join(' ')}, ack ${sign.ack}`,
      String(profile.messagesPerFrame),
      String(profile.maxTloeBytes),
      gap(profile),
      profile.dropsDuplicates ? 'yes' : 'no',
      profile.returnsCredits ? 'obeyed' : 'ignored',
    ];
  });
  expect(textOf(rowsOf('Drivers, seen by our endpoint'))).toEqual(textOf(rows));
});

it('every persona and habit has a word in the documents', () => {
  for (const name of [...Object.keys(ENDPOINT_PERSONAS), ...Object.keys(INITIATOR_PERSONAS)]) {
    expect(document).toContain(name);
  }
  for (const [name, { means }] of Object.entries(HABIT_FAULTS)) {
    expect(readme).toMatch(new RegExp(`\\| \`habit=${name}\` +\\| ${means}`));
  }
});

it('docs/spec-notes.md names every field of a profile, and the peers that need it', () => {
  const namesOf = (
    profiles: Readonly<Record<string, PeerProfile>>,
    usual: PeerProfile,
    field: keyof PeerProfile,
  ): string[] =>
    Object.values(profiles)
      .filter(({ name }) => name !== 'generic')
      .filter((profile) => JSON.stringify(profile[field]) !== JSON.stringify(usual[field]))
      .map(({ name }) => name);
  const [endpoint, driver] = [PEER_PROFILES.oxmem, INITIATOR_PROFILES.generic];
  const fields = Object.keys(endpoint) as (keyof PeerProfile)[];
  const rows = fields
    .filter((field) => field !== 'name' && field !== 'description')
    .map((field) => [
      `\`${field}\``,
      [
        ...namesOf(PEER_PROFILES, endpoint, field),
        ...namesOf(INITIATOR_PROFILES, driver, field),
      ].join(', '),
    ]);
  const shown = rowsOf("What a peer's profile changes", specNotes);
  expect(textOf(shown.map(([field = '', , , peers = '']) => [field, peers]))).toEqual(textOf(rows));
});
