/** Words and variables of a command, as compose and a shell read them. */

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Expanded {
  readonly text: string;
  /** Variables that have no value. */
  readonly missing: readonly string[];
}

/** `${NAME}`, `$NAME`, `${NAME:-default}`; `$$` is a dollar. */
export function expand(text: string, environment: Environment): Expanded {
  const missing: string[] = [];
  const expanded = text.replace(
    /\$(?:\$|\{(\w+)(?::-([^}]*))?\}|([A-Za-z_]\w*))/g,
    (whole, braced?: string, absent?: string, bare?: string) => {
      if (whole === "$$") return "$";
      const name = braced ?? bare ?? "";
      const value = environment[name];
      if (value !== undefined && (value !== "" || absent === undefined)) return value;
      if (absent === undefined) missing.push(name);
      return absent ?? "";
    },
  );
  return { text: expanded, missing };
}

const wordPart = /\\(?<escaped>.)|"(?<double>(?:[^"\\]|\\.)*)"|'(?<single>[^']*)'|[^\s"'\\]+/gs;

/** Splits at blanks; quotes and backslashes keep them. Undefined: a quote is not closed. */
export function splitWords(text: string): readonly string[] | undefined {
  const words: string[] = [];
  let end = -1;
  let unread = text.trimEnd();
  for (const { 0: part, index, groups = {} } of text.matchAll(wordPart)) {
    const { escaped, double, single } = groups;
    const value = escaped ?? double?.replace(/\\(["\\])/g, "$1") ?? single ?? part;
    // What touches the part before belongs to the same word.
    if (index === end) words.push(`${words.pop() ?? ""}${value}`);
    else if (/\S/.test(text.slice(Math.max(0, end), index))) return undefined;
    else words.push(value);
    end = index + part.length;
    unread = text.slice(end).trimEnd();
  }
  return unread === "" ? words : undefined;
}

/** What only a shell would understand, so that it is said and not passed to the program as a word. */
export function shellSign(words: readonly string[]): string | undefined {
  return words.find((word) => /^(?:&&|\|\||[|;&<>]|[12]?>>?|2>&1)$/.test(word));
}
