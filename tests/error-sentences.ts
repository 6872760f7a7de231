/** The sentences that the sources have for failures, found in their syntax trees. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const packages = join(import.meta.dirname, '..', 'packages');

/** A sentence for a failure. */
export interface ErrorSentence {
  /** Source file, from the packages' folder. */
  readonly file: string;
  /** The code of the error; empty where it has none, or where it is not written beside it. */
  readonly code: string;
  /** As it stands in the source, with `…` for what is put in. */
  readonly text: string;
}

/** Which argument of a constructor or function is a sentence, and which one the code, if any. */
interface Maker {
  readonly sentence: number;
  readonly code?: number | string;
}

/** What makes an error, or says one, by the name of what is called or assigned to. */
const makers: Readonly<Record<string, Maker>> = {
  DriverError: { code: 0, sentence: 1 },
  NbdDeviceError: { code: 0, sentence: 1 },
  RawSocketError: { code: 0, sentence: 1 },
  FileMemoryError: { code: 0, sentence: 1 },
  StartError: { sentence: 0 },
  tlsError: { code: 'ERR_OXMEM_TLS', sentence: 0 },
  refusal: { code: 'ERR_OXMEM_SWAP', sentence: 0 },
  noAddon: { sentence: 0 },
  '#refuse': { sentence: 1 },
  refuse: { sentence: 0 },
  // Behind the environment, where it is given one.
  complain: { sentence: -1 },
  warn: { code: 'warn', sentence: 0 },
  error: { code: 'error', sentence: 0 },
};
/** Functions that return a sentence, or a part of one that has remedies. */
const speakers = new Set(['describeSilence', 'describeCause', 'usageSentence', 'describeProgram']);
/** What is assigned to these is a sentence. */
const holders = new Set(['problem', 'sentence']);

/** All sentences of a package's sources. */
export function errorSentences(name: string): ErrorSentence[] {
  const folder = join(packages, name, 'src');
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => /(?<!\.test)\.ts$/.test(path) && !path.startsWith('mock/'))
    .flatMap((path) => sentencesOf(join(folder, path), `${name}/src/${path}`));
}

function sentencesOf(path: string, file: string): ErrorSentence[] {
  const text = readFileSync(path, 'utf8');
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const found: ErrorSentence[] = [];
  const add = (code: string, expression: ts.Expression | undefined): void => {
    if (expression === undefined) return;
    // Another error's sentence goes on as it is, and a mere word is not one.
    const sentences = wordsOf(expression).filter((words) => / \w+ /.test(words));
    for (const each of sentences) found.push({ file, code, text: each });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isNewExpression(node) || ts.isCallExpression(node)) {
      const made = madeBy(node);
      if (made !== undefined) add(made.code, made.sentence);
    } else if (ts.isReturnStatement(node) && node.expression !== undefined) {
      if (speakers.has(functionAround(node)?.name?.getText() ?? '')) add('', node.expression);
    } else if (isAssignment(node) && holders.has(/\w*$/.exec(node.left.getText())?.[0] ?? '')) {
      add('', node.right);
    } else if (ts.isPropertyAssignment(node) || ts.isVariableDeclaration(node)) {
      if (node.name.getText() === 'sentence') add('', node.initializer);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function madeBy(
  node: ts.NewExpression | ts.CallExpression,
): { code: string; sentence: ts.Expression } | undefined {
  const maker = makers[/[#\w]*$/.exec(node.expression.getText())?.[0] ?? ''];
  if (maker === undefined) return undefined;
  const sentence = node.arguments?.at(maker.sentence);
  if (sentence === undefined) return undefined;
  if (typeof maker.code === 'string') return { code: maker.code, sentence };
  const code = maker.code === undefined ? undefined : node.arguments?.[maker.code];
  return { code: code === undefined ? '' : (wordsOf(code)[0] ?? ''), sentence };
}

/** The texts that an expression can have, with `…` for all that is not fixed. */
function wordsOf(node: ts.Expression): string[] {
  if (ts.isStringLiteralLike(node)) return [node.text];
  if (ts.isParenthesizedExpression(node)) return wordsOf(node.expression);
  if (ts.isTemplateExpression(node)) {
    return [node.head.text + node.templateSpans.map(({ literal }) => `…${literal.text}`).join('')];
  }
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken) {
    const rights = wordsOf(node.right);
    return wordsOf(node.left).flatMap((left) => rights.map((right) => left + right));
  }
  if (ts.isConditionalExpression(node)) {
    return [...wordsOf(node.whenTrue), ...wordsOf(node.whenFalse)];
  }
  const value = ts.isIdentifier(node) ? constantAround(node) : undefined;
  return value === undefined ? ['…'] : wordsOf(value);
}

/** What a constant of the same function is. */
function constantAround(name: ts.Identifier): ts.Expression | undefined {
  let value: ts.Expression | undefined;
  const visit = (node: ts.Node): void => {
    if (ts.isVariableDeclaration(node) && node.name.getText() === name.text) {
      value = node.initializer;
    }
    ts.forEachChild(node, visit);
  };
  const around = functionAround(name);
  if (around !== undefined) visit(around);
  return value;
}

function functionAround(node: ts.Node): ts.FunctionDeclaration | ts.MethodDeclaration | undefined {
  let around: ts.Node | undefined = node;
  while (around !== undefined) {
    if (ts.isFunctionDeclaration(around) || ts.isMethodDeclaration(around)) return around;
    around = around.parent;
  }
  return undefined;
}

function isAssignment(node: ts.Node): node is ts.BinaryExpression {
  return ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.EqualsToken;
}
