import { ConfigError } from "#lib/config-error.ts";
import { compileRegex } from "../matching/regex.ts";

export type NameFilter = (name: string) => boolean;

/** A user's RE2 pattern that may match anywhere in a name; no pattern takes every name. `problem` is RE2's own message. */
export function nameFilter(
  pattern: string | undefined,
): { readonly matches: NameFilter } | { readonly problem: string } {
  if (pattern === undefined || pattern === "") return { matches: () => true };
  try {
    // Alone first: a stray ")" must not close the group around it.
    compileRegex(pattern);
    const regex = compileRegex(`(?s).*(?:${pattern}).*`);
    return { matches: (name) => regex.matches(name) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { problem: re2Message(error.problems[0]?.message ?? "") };
  }
}

/** Go's spelling of RE2's messages to C++'s. */
function re2Message(message: string): string {
  return message.replace("missing closing )", "missing )").replace(/`([^`]*)`$/, "$1");
}
