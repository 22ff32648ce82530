import type { RE2JS } from "re2js";
import { refuse } from "#lib/config-error.ts";
import { byteText, fromByteText } from "./byte-text.ts";
import { nativeRegex, nativeTextMax } from "./native-regex.ts";
import { re2 } from "./re2.ts";

/**
 * A user's pattern, in RE2's syntax, run in linear time. As in Envoy, which has RE2 read Latin-1, both pattern and text are bytes,
 * one character each: `.` is one byte of a letter's UTF-8. What V8 does not run folds letters of Latin-1 under `(?i)`, Envoy only
 * ASCII's: a difference for bytes above 0x7f that stand in such a pattern.
 */
export interface Regex {
  /** The whole text matches. */
  matches(text: string): boolean;
  /** Replace every match; `substitution` has RE2's `\1` groups. */
  replaceAll(text: string, substitution: string): string;
}

/** Throws ConfigError in RE2's words. */
export function compileRegex(pattern: string): Regex {
  const bytes = byteText(pattern);
  // Also of patterns that V8 will run: RE2 is the judge of syntax.
  const engine = parse(bytes);
  const replaceAll = (text: string, substitution: string): string =>
    replaceEvery(engine, text, substitution);
  const literal = literalOf(bytes);
  if (literal !== undefined) return { matches: (text) => text === literal, replaceAll };
  const native = nativeRegex(bytes);
  if (native === undefined) return { matches: (text) => engine.testExact(text), replaceAll };
  return {
    matches: (text) => (text.length > nativeTextMax ? engine.testExact(text) : native.test(text)),
    replaceAll,
  };
}

const onlyText = /^(?:[A-Za-z0-9/_\-~!@#%&=:;,<>"' ]|\\[!-/:-@[-`{-~])*$/;

/** What is only text is compared as text. */
function literalOf(pattern: string): string | undefined {
  return onlyText.test(pattern) ? pattern.replace(/\\(.)/g, "$1") : undefined;
}

function replaceEvery(engine: RE2JS, text: string, substitution: string): string {
  const matcher = engine.matcher(text);
  const groups = engine.groupCount();
  let out = "";
  let at = 0;
  while (matcher.find()) {
    const start = matcher.start();
    const end = matcher.end();
    // RE2 takes no empty match right behind the last match.
    if (start === end && start === at && start !== 0) continue;
    out += text.slice(at, start);
    out += substitution.replace(/\\([\d\\])/g, (_, group: string) => {
      if (group === "\\") return "\\";
      const index = Number(group);
      if (index > groups || matcher.start(index) < 0) return "";
      return text.slice(matcher.start(index), matcher.end(index));
    });
    at = end;
  }
  return out + text.slice(at);
}

function parse(pattern: string): RE2JS {
  try {
    return re2().compile(pattern);
  } catch (error) {
    throw refuse("regex", fromByteText(re2Message(pattern, error)));
  }
}

/** RE2's words for what the engine says in Go's: the ones that users search for. */
const words: Readonly<Record<string, string>> = {
  "invalid or unsupported Perl syntax": "invalid perl operator",
  "missing closing )": "missing )",
  "missing closing ]": "missing ]",
  "missing argument to repetition operator": "no argument for repetition operator",
  "invalid nested repetition operator": "bad repetition operator",
  "invalid repeat count": "invalid repetition size",
  "invalid named capture": "invalid named capture group",
  "duplicate capture group name": "duplicate capture group name",
  "expression nests too deeply": "pattern too large - compile failed",
  "trailing backslash at end of expression": "trailing \\",
};

function re2Message(pattern: string, error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const [, kind = text, part] = /^error parsing regexp: (.*?)(?:: `([\s\S]*)`)?$/.exec(text) ?? [];
  // The engine takes a look-behind for a broken name.
  const lookaround = /\(\?(?:[=!]|<[=!])/.exec(pattern);
  if (lookaround !== null && (kind.includes("Perl") || kind.includes("named capture")))
    return `invalid perl operator: ${lookaround[0]}`;
  const said = words[kind] ?? kind;
  return part === undefined ? said : `${said}: ${part}`;
}
