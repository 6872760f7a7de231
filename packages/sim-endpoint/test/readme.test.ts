import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { OPTIONS } from '../src/cli/options.ts';

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');

it('the README shows the example that is run as a test', () => {
  const example = readFileSync(new URL('readme-example.test.ts', import.meta.url), 'utf8');
  expect(readme).toContain(example);
});

it('the README names every option', () => {
  for (const { name } of OPTIONS) expect(readme).toContain(`\`--${name}=`);
});
