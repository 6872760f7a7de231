/**
 * What runs before the program in the binary (bundle.mjs puts it there). It may have file
 * capabilities, so a person who may run it should get no more than the program by it: Node takes no
 * options from the environment then, and here it is kept from answering to a debugger.
 *
 * Before this line Node answers; a debugger that is quick enough gets in. Who may run a binary with
 * capabilities has them, and its mode (0750) is what says who that is.
 */
import { url } from 'node:inspector';

// Node's answer to this signal is a debugger on a port of this machine.
process.on('SIGUSR1', () => {});
if (url() !== undefined) {
  process.stderr.write('oxmem-bdev: it does not run under a debugger.\n');
  process.exit(1);
}

// Node puts the program itself in the place of a script. A program that starts itself anew with its
// own arguments, as for --swap, has it twice.
if (process.argv[2] === process.argv[1]) process.argv.splice(2, 1);

void import('../../packages/oxmem-bdev/src/main.ts');
