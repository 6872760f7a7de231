/**
 * One line per step, with the time it took. On a terminal the line of the running step is rewritten
 * every 200 ms; elsewhere (pipes, CI logs) each step is one plain line.
 */

/**
 * @typedef {object} Progress
 * @property {<T>(label: string, work: () => Promise<T>) => Promise<T>} step runs `work` as one step;
 *   what it throws is passed on after the line was ended
 * @property {(text: string) => void} note prints a line of its own
 */

/**
 * @param {NodeJS.WriteStream} [stream] where the lines go; standard error unless told
 * @returns {Progress}
 */
export function createProgress(stream = process.stderr) {
  const rewrites = stream.isTTY === true;
  return {
    async step(label, work) {
      const startedMs = performance.now();
      const elapsed = () => `${((performance.now() - startedMs) / 1000).toFixed(1)} s`;
      stream.write(rewrites ? `  … ${label}` : `${label} ... `);
      const redraw = () => stream.write(`\r\x1b[K  … ${label}  ${elapsed()}`);
      const timer = rewrites ? setInterval(redraw, 200) : undefined;
      /** @param {string} mark @param {string} word */
      const end = (mark, word) =>
        stream.write(
          rewrites ? `\r\x1b[K  ${mark} ${label}  ${elapsed()}\n` : `${word}${elapsed()}\n`,
        );
      try {
        const result = await work();
        end('✓', '');
        return result;
      } catch (error) {
        end('✗', 'failed after ');
        throw error;
      } finally {
        clearInterval(timer);
      }
    },
    note(text) {
      stream.write(rewrites ? `  ${text}\n` : `${text}\n`);
    },
  };
}
