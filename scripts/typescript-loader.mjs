/**
 * Lets `node` run the TypeScript of this repository as it stands, without a build:
 *
 *     node --conditions=oxmem-source --import=./scripts/typescript-loader.mjs FILE.ts
 *
 * The condition makes packages of the workspace resolve to their sources. Types are erased file by
 * file; whether they are right is what `pnpm typecheck` says.
 */
import { register } from 'node:module';

register('./typescript-hooks.mjs', import.meta.url);
