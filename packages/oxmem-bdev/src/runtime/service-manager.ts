import { execFile } from 'node:child_process';

/**
 * Tells the service manager that this process is ready, if one asked for it (`NOTIFY_SOCKET`).
 *
 * The message is a datagram to a unix socket, for which Node has no interface; systemd's own
 * `systemd-notify` sends it. It does so as a child of ours, so the unit needs `NotifyAccess=all`.
 *
 * @returns why the service manager could not be told; undefined: it was, or did not ask
 */
export function notifyReady(environment: NodeJS.ProcessEnv): Promise<string | undefined> {
  if (environment['NOTIFY_SOCKET'] === undefined) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    execFile(
      'systemd-notify',
      ['--ready', `--pid=${process.pid}`],
      { env: environment, timeout: NOTIFY_MILLIS },
      (error) => resolve(error === null ? undefined : `systemd-notify failed: ${error.message}`),
    );
  });
}

const NOTIFY_MILLIS = 1_000;
