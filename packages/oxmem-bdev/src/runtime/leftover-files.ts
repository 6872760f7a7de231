import { rmSync } from 'node:fs';

/** Files that must be gone when the driver ends, even when it ends in a hurry. */
export class LeftoverFiles {
  readonly #paths = new Set<string>();

  add(path: string): void {
    this.#paths.add(path);
  }

  /** It is gone already, or not ours any more. */
  forget(path: string): void {
    this.#paths.delete(path);
  }

  /** Removes one of them now, as far as the system lets us. */
  remove(path: string): void {
    this.#paths.delete(path);
    removeQuietly(path);
  }

  /** Removes them all, as far as the system lets us. */
  removeAll(): void {
    for (const path of this.#paths) removeQuietly(path);
    this.#paths.clear();
  }
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Nobody is left who could do something about it.
  }
}
