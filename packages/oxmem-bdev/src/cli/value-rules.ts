/** How one option of a command is written, explained and read. */
export interface ValueRule<Value> {
  /** Long name and, unless it is a mere switch, what follows: `--size=SIZE`. */
  readonly flag: string;
  readonly help: string;
  /** What a good value is, for the sentence about a bad one. */
  readonly expected: string;
  /** undefined: the value is bad. */
  readonly parse: (text: string) => Value | undefined;
  /** Without the option; absent: the option is required. */
  readonly fallback?: Value;
}

/** A rule for each value, in the order of `--help`. */
export type ValueRules<Values> = { readonly [Name in keyof Values]: ValueRule<Values[Name]> };

/** The texts of a command line by the names of the rules; `true` for a switch. */
export type ValueTexts = Readonly<Record<string, string | true>>;

/** Values, or what is wrong with one of them in one sentence. */
export type ReadValues<Values> =
  | { readonly isValid: true; readonly options: Values }
  | { readonly isValid: false; readonly sentence: string };

/** Reads the texts of a command line; absent ones take their default. */
export function readValues<Values>(
  rules: ValueRules<Values>,
  texts: ValueTexts,
): ReadValues<Values> {
  const values: Record<string, unknown> = {};
  for (const [name, rule] of Object.entries(rules) as [string, ValueRule<unknown>][]) {
    const text = texts[name];
    const long = longName(rule);
    if (text === undefined) {
      if (!('fallback' in rule)) {
        return { isValid: false, sentence: `${long} is missing: it takes ${rule.expected}.` };
      }
      values[name] = rule.fallback;
      continue;
    }
    const given = text === true ? '' : text;
    values[name] = rule.parse(given);
    if (values[name] === undefined) {
      const sentence = `${long}: ${JSON.stringify(given)} will not do, it takes ${rule.expected}.`;
      return { isValid: false, sentence };
    }
  }
  return { isValid: true, options: values as Values };
}

/** `--size` of `--size=SIZE`. */
export function longName({ flag }: Pick<ValueRule<unknown>, 'flag'>): string {
  return flag.split('=')[0] ?? flag;
}
