/** What a failed system call of Node's throws. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: a test`), { code });
}
