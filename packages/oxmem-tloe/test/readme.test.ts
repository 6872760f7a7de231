import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { COMMANDS } from '../src/cli/commands.ts';
import { VIOLATIONS, textLine, wiresharkDissector } from '../src/index.ts';
import { DecodedTalk } from './decoded-talk.ts';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

it('the README shows the example that is run as a test', () => {
  const example = readFileSync(new URL('readme-example.test.ts', import.meta.url), 'utf8');
  expect(readme).toContain(example);
});

it('the README shows lines as the decoder prints them', () => {
  const talk = new DecodedTalk().open();
  const get = { channel: 1, opcode: 4, sizeLog2: 10, source: 7, addressLow: 0x400 };
  const data = { channel: 4, opcode: 1, sizeLog2: 10, source: 7 };
  const frames = [
    talk.ask({ sequenceNumber: 2, sequenceNumberAck: 1, messages: [get] }),
    talk.answer({
      sequenceNumber: 2,
      sequenceNumberAck: 2,
      channel: 1,
      credit: 1,
      messages: [data],
    }),
    talk.ask({ sequenceNumber: 4, sequenceNumberAck: 2 }),
    talk.answer({ type: 1, sequenceNumber: 3, sequenceNumberAck: 1 }),
  ];
  for (const frame of frames) {
    expect(readme).toContain(`\n${textLine(frame, { isColoured: false })}\n`);
  }
});

it('the README names every option', () => {
  for (const { name, value } of COMMANDS.flatMap(({ options }) => options)) {
    if (name !== 'help') expect(readme).toContain(`\`--${name}${value === undefined ? '`' : '='}`);
  }
});

it('the README explains every violation', () => {
  const lines = readme.split('\n').map((line) => line.split('|').map((cell) => cell.trim()));
  const rows = lines.filter((cells) => Object.hasOwn(VIOLATIONS, (cells[1] ?? '').slice(1, -1)));
  const expected = Object.entries(VIOLATIONS).map(([code, { means, section }]) => {
    return ['', `\`${code}\``, means, section, ''];
  });
  expect(rows).toEqual(expected);
});

it('wireshark/omnixtend.lua is what the codec says (npx vitest -u writes it)', async () => {
  await expect(wiresharkDissector()).toMatchFileSnapshot('../wireshark/omnixtend.lua');
});
