/** Something that keeps the command from running, in one sentence. */
export class StartError extends Error {
  override readonly name = 'StartError';

  constructor(message: string, cause: unknown) {
    super(message, { cause });
  }
}
