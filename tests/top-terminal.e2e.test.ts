/** `oxmem-bdev top` on a terminal: how it begins, how it ends, and what it leaves. */
import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { runClient } from './lab-program.ts';
import { driverCommand } from './oxmem-lab.ts';
import { PseudoTerminal } from './pseudo-terminal.ts';
import { describeRequiring } from './requires.ts';

const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
const command = [...driverCommand, 'top', '--interval=200ms'];
/** See tests/fixtures/top-in-trouble.mjs. */
const inTrouble = [process.execPath, `${import.meta.dirname}/fixtures/top-in-trouble.mjs`];

describeRequiring(['netns', 'command:script'], 'top on a terminal', () => {
  it.each([
    ['q', (at: PseudoTerminal) => at.type('q')],
    ['Escape', (at: PseudoTerminal) => at.type('\u001b')],
    ['Ctrl-C', (at: PseudoTerminal) => at.type('\u0003')],
    ['SIGTERM', (at: PseudoTerminal) => at.kill('SIGTERM')],
    ['SIGHUP', (at: PseudoTerminal) => at.kill('SIGHUP')],
  ])('ends by %s and gives the terminal back', async (_, stop) => {
    const terminal = new PseudoTerminal(command, { columns: 80, rows: 24 });
    await terminal.waitFor(/No oxmem-bdev runs/);
    stop(terminal);
    const { code, output, isRestored } = await terminal.end();
    expect({ code, isRestored }).toEqual({ code: 0, isRestored: true });
    expect(output.startsWith(HIDE_CURSOR)).toBe(true);
    expect(output.lastIndexOf(SHOW_CURSOR)).toBeGreaterThan(output.lastIndexOf(HIDE_CURSOR));
  });

  it('shows something where nobody knows how large the terminal is', async () => {
    const terminal = new PseudoTerminal(command);
    await terminal.waitFor(/No oxmem-bdev runs/);
    terminal.type('q');
    expect(await terminal.end()).toMatchObject({ code: 0 });
  });

  it('goes on when a key is pressed that begins like Escape', async () => {
    const terminal = new PseudoTerminal(command);
    await terminal.waitFor(/No oxmem-bdev runs/);
    terminal.type('\u001b[A');
    await terminal.waitFor(/(?:No oxmem-bdev runs[^]*){4}/);
    terminal.type('q');
    expect(await terminal.end()).toMatchObject({ code: 0 });
  });

  it.each([
    ['has colours', '', true],
    ['has none where NO_COLOR says so', '1', false],
  ])('%s', async (_, noColor, isColoured) => {
    const terminal = new PseudoTerminal([...inTrouble, 'lost'], { env: { NO_COLOR: noColor } });
    await terminal.waitFor(/lost/);
    terminal.type('q');
    const { output } = await terminal.end();
    expect(output.includes('\u001b[31mlost')).toBe(isColoured);
    expect(output.includes('\u001b[1m')).toBe(isColoured);
  });

  it('gives the terminal back when it fails', async () => {
    const terminal = new PseudoTerminal([...inTrouble, 'broken']);
    const { code, output, isRestored } = await terminal.end();
    expect({ code, isRestored }).toEqual({ code: 1, isRestored: true });
    expect(output).toContain('nobody can be asked');
    expect(output).toContain(SHOW_CURSOR);
  });

  it.each(['q', 'SIGTERM'] as const)('ends by %s while drivers do not answer', async (how) => {
    const terminal = new PseudoTerminal([...inTrouble, 'mute']);
    await terminal.waitFor(/\[\?25l/);
    if (how === 'q') terminal.type('q');
    else terminal.kill('SIGTERM');
    expect(await terminal.end()).toMatchObject({ code: 0, isRestored: true });
  });

  it('does not wait for a stranger who answers a byte at a time, and neither does status', async () => {
    const stranger = createServer((socket) => {
      const timer = setInterval(() => socket.write(' '), 100);
      socket.on('error', () => {}).on('close', () => clearInterval(timer));
    });
    const claim = '\0oxmem-bdev zz0 02:00:00:00:00:99';
    await new Promise<void>((resolve) => stranger.listen({ path: claim }, resolve));
    try {
      for (const words of [['top', '--once'], ['status']]) {
        await runClient([...driverCommand, ...words], { timeoutMs: 20_000 });
      }
    } finally {
      stranger.close();
    }
  });
});
