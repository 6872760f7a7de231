import type { CheckResult } from './check-run.ts';

/** Results as JUnit XML, as continuous integration reads it. */
export function junitXml(endpoint: string, results: readonly CheckResult[]): string {
  const count = (outcome: string): number =>
    results.filter((result) => result.outcome === outcome).length;
  const seconds = results.reduce((sum, { micros }) => sum + micros, 0) / 1e6;
  const suite =
    `name="OmniXtend endpoint ${escape(endpoint)}" tests="${results.length}" ` +
    `failures="${count('fail')}" skipped="${count('not-supported')}" errors="0" ` +
    `time="${seconds.toFixed(3)}"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites><testsuite ${suite}>`,
    ...results.map(testCase),
    '</testsuite></testsuites>',
    '',
  ].join('\n');
}

function testCase({ scenario, outcome, detail, micros }: CheckResult): string {
  const { name, title, basis } = scenario;
  const time = (micros / 1e6).toFixed(3);
  const head = `  <testcase classname="oxmem-tloe.check" name="${escape(name)}" time="${time}">`;
  const said = `<system-out>${escape(`${title} (${basis})`)}</system-out>`;
  const verdict = {
    pass: '',
    fail: `<failure message="${escape(detail)}"/>`,
    'not-supported': `<skipped message="${escape(detail)}"/>`,
  }[outcome];
  return `${head}${verdict}${said}</testcase>`;
}

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
