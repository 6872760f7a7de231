import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'vitest';

test('a socket rests while a crowd of frames comes, and otherwise for nobody', () => {
  // Every case in it is a static assertion: it compiles, or throws with the one that fails.
  const proof = fileURLToPath(new URL('./receive-pace.cc', import.meta.url));
  execFileSync('g++', ['-std=c++17', '-Wall', '-Werror', '-fsyntax-only', proof]);
});
