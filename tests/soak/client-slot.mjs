/** Where the client of the driver of the day is found, while drivers come and go. */
import { DemoNbdClient } from '../../scripts/demo-nbd-client.mjs';

/** One client at a time; whoever needs one waits. */
export class ClientSlot {
  /** @type {DemoNbdClient | undefined} */
  client = undefined;
  /** @type {(() => void)[]} */
  #waiting = [];

  /** @param {string} socketPath of a driver that is ready */
  async connect(socketPath) {
    this.client = await DemoNbdClient.connect(socketPath);
    for (const resume of this.#waiting.splice(0)) resume();
  }

  /** Nobody gets this client any more. What it has open goes on until its connection ends. */
  drop() {
    this.client = undefined;
  }

  /** Lets those go on that wait in vain: the run is over. */
  wakeAll() {
    for (const resume of this.#waiting.splice(0)) resume();
  }

  /** @returns {Promise<void>} resolves when there is a client, or the run is over */
  wait() {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }
}
