import type { ExitCode } from '../../cli/exit-codes.ts';

/** What one look has shown. */
export type Check =
  | { readonly verdict: 'ok'; readonly what: string }
  /** Works, but not as well as it could; or was not looked at. */
  | { readonly verdict: 'warn'; readonly what: string; readonly remedy: string }
  /** A driver could not work. */
  | {
      readonly verdict: 'fail';
      readonly what: string;
      readonly remedy: string;
      /** What the driver would end with. */
      readonly exitCode: ExitCode;
    };

export function ok(what: string): Check {
  return { verdict: 'ok', what };
}

export function warn(what: string, remedy: string): Check {
  return { verdict: 'warn', what, remedy };
}

export function fail(exitCode: ExitCode, what: string, remedy: string): Check {
  return { verdict: 'fail', what, remedy, exitCode };
}

/** A check as one line: verdict, what was found, and after a dash what to do about it. */
export function checkLine(check: Check): string {
  const start = `${check.verdict.padEnd(VERDICT_COLUMN)}${check.what}`;
  return check.verdict === 'ok' ? start : `${start} - ${check.remedy}`;
}

const VERDICT_COLUMN = 6;
