import { RE2JS } from "re2js";
import { refuse } from "#lib/config-error.ts";

/** A user's pattern, in RE2's syntax, run in linear time. */
export interface Regex {
  /** The whole text matches. */
  matches(text: string): boolean;
  /** Replace every match; `substitution` has RE2's `\1` groups. */
  replaceAll(text: string, substitution: string): string;
}

/** Literals, classes, dots and single-character repeats that V8 cannot backtrack on: nothing repeats inside what repeats. */
const plain = /^(?:[A-Za-z0-9/_\-~!@#%&=:;,<>"' ]|\\[.\-/\\])*$/;

export function compileRegex(pattern: string): Regex {
  const compiled = parse(pattern);
  if (plain.test(pattern)) return literalRegex(pattern.replace(/\\(.)/g, "$1"), compiled);
  return {
    matches: (text) => compiled.matches(text),
    replaceAll: (text, substitution) => replaceAll(compiled, text, substitution),
  };
}

/** What is only text is compared as text. */
function literalRegex(literal: string, compiled: RE2JS): Regex {
  return {
    matches: (text) => text === literal,
    replaceAll: (text, substitution) => replaceAll(compiled, text, substitution),
  };
}

function parse(pattern: string): RE2JS {
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    throw refuse("regex", re2Message(pattern, error));
  }
}

function re2Message(pattern: string, error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  // RE2 calls look-around and back-references by this name; so do the messages that users search for.
  const perl = /\(\?(?:[=!]|<[=!])/.exec(pattern);
  if (perl !== null) return `invalid perl operator: ${perl[0]}`;
  return text.replace(/^error parsing regexp: /, "");
}

function replaceAll(compiled: RE2JS, text: string, substitution: string): string {
  const matcher = compiled.matcher(text);
  let out = "";
  let at = 0;
  while (matcher.find()) {
    const start = matcher.start();
    out +=
      text.slice(at, start) +
      substitution.replace(/\\(\d|\\)/g, (_, group: string) =>
        group === "\\" ? "\\" : (matcher.group(Number(group)) ?? ""),
      );
    at = matcher.end();
  }
  return out + text.slice(at);
}
