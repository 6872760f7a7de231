/** Manual pages, from the same tables as the programs themselves. */

/**
 * @typedef {import('../../packages/oxmem-bdev/src/cli/program-description.ts').ProgramDescription}
 *   ProgramDescription
 * @typedef {ProgramDescription['commands'][number]} CommandDescription
 * @typedef {CommandDescription['options'][number]} OptionDescription
 */

/**
 * @typedef {object} PageFacts
 * @property {1 | 8} section
 * @property {string} version
 * @property {string} summary for whatis(1)
 * @property {readonly { title: string, text: string }[]} more sections behind the options; what is
 *   indented in a text is an example
 * @property {readonly string[]} seeAlso `nbd-client(8)`
 */

/**
 * @param {ProgramDescription} program
 * @param {PageFacts} facts
 * @returns {string} the page, as man(7) has it
 */
export function manPage({ name, commands }, { section, version, summary, more, seeAlso }) {
  const [own, ...others] = commands;
  const lines = [
    `.TH ${name.toUpperCase()} ${section} "" "${name} ${version}"`,
    '.SH NAME',
    `${escape(name)} \\- ${escape(summary)}`,
    '.SH SYNOPSIS',
    ...commands.flatMap(({ usage }) => usage.map((line) => `.br\n${usageLine(line)}`)),
    '.SH DESCRIPTION',
    ...paragraph(own?.text ?? ''),
    ...(own === undefined || own.options.length === 0
      ? []
      : ['.SH OPTIONS', ...optionLines(own.options)]),
    ...(others.length > 0 ? ['.SH COMMANDS'] : []),
    ...others.flatMap((command) => [
      `.SS ${escape(command.name)}`,
      ...paragraph(command.text),
      ...optionLines(command.options),
      ...paragraph(command.remarks),
    ]),
    ...(own?.remarks === undefined || own.remarks === ''
      ? []
      : ['.SH EXIT STATUS', ...paragraph(own.remarks.replace(/^Exit codes: /, ''))]),
    ...more.flatMap(({ title, text }) => [`.SH ${title}`, ...textLines(text)]),
    '.SH SEE ALSO',
    seeAlso.map((page) => `.BR ${escape(page).replace('(', ' (')}`).join(' ,\n'),
  ];
  return `${lines.join('\n')}\n`;
}

/** @param {readonly OptionDescription[]} options */
function optionLines(options) {
  let group = '';
  return options.flatMap(({ long, placeholder, help, value, group: own }) => {
    const heading = own === group ? [] : [`.SS ${escape(own)}`];
    group = own;
    const flag = `\\fB${escape(long)}\\fR`;
    const shown = placeholder === undefined ? flag : `${flag}=\\fI${escape(placeholder)}\\fR`;
    const takes = placeholder === undefined ? [] : [`Takes ${escape(value.expected)}.`];
    const sentence = `${help[0]?.toUpperCase()}${help.slice(1).replace(/,$/, '')}.`;
    return [...heading, '.TP', shown, escape(sentence), ...takes];
  });
}

/** @param {string} line */
function usageLine(line) {
  const [program = '', ...rest] = line.split(' ');
  return `\\fB${escape(program)}\\fR ${escape(rest.join(' '))}`;
}

/** @param {string} text */
function paragraph(text) {
  return text === '' ? [] : ['.PP', escape(text)];
}

/** @param {string} text lines; the indented ones are shown as they are */
function textLines(text) {
  return text
    .replaceAll(/^\n+|\s+$/g, '')
    .split(/\n\n+/)
    .flatMap((block) =>
      block.startsWith(' ')
        ? [
            '.PP',
            '.nf',
            '.RS',
            ...block.split('\n').map((line) => escape(line.trim())),
            '.RE',
            '.fi',
          ]
        : ['.PP', ...block.split('\n').map(escape)],
    );
}

/** @param {string} text */
function escape(text) {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/, '\\&$1');
}
