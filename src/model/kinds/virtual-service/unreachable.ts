import type {
  HTTPMatchRequestJson,
  StringMatchJson,
} from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import type { Report } from "../report.ts";

/** A route of any protocol: its matches, in any form. */
interface Matched {
  readonly match?: readonly HTTPMatchRequestJson[] | readonly object[];
}

interface Seen {
  readonly route: number;
  readonly match: HTTPMatchRequestJson;
}

/** To compare each match with each before it costs the square of their number. */
const comparedMax = 1000;

/** Warns of matches and routes that can never be chosen, because what stands before them takes their calls. */
export function warnOfUnreachable(routes: readonly Matched[], report: Report): void {
  const seen: Seen[] = [];
  const byText = new Map<string, number>();
  let catchAll: number | undefined;
  for (const [index, { match = [] }] of routes.entries()) {
    if (catchAll !== undefined) {
      report.at(index).warning(`is never reached: [${catchAll}] has no match and takes every call`);
    }
    if (match.length === 0) {
      catchAll ??= index;
      continue;
    }
    let hidden = 0;
    for (const [place, one] of match.entries()) {
      const earlier = byText.get(textOf(one)) ?? coveredBy(seen, one);
      if (earlier !== undefined) {
        hidden += 1;
        const which =
          earlier === index ? "an earlier match of this route" : `a match of [${earlier}]`;
        report.at(index, "match", place).warning(`has no effect: ${which} takes its calls`);
      } else {
        byText.set(textOf(one), index);
        if (seen.length < comparedMax) seen.push({ route: index, match: one });
      }
    }
    if (hidden === match.length && catchAll === undefined) {
      report.at(index).warning("is never reached: routes before it take all its calls");
    }
  }
}

/** A match's name selects nothing. */
function textOf(match: HTTPMatchRequestJson): string {
  const { name: _name, statPrefix: _prefix, ...rest } = match;
  return canonical(rest);
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "";
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, entry]) => `${JSON.stringify(key)}:${canonical(entry)}`).join()}}`;
}

/** The route that takes all calls of a match by a shorter prefix, everything else being the same or not asked. */
function coveredBy(seen: readonly Seen[], match: HTTPMatchRequestJson): number | undefined {
  return seen.find(({ match: earlier }) => hides(earlier, match))?.route;
}

function hides(earlier: HTTPMatchRequestJson, later: HTTPMatchRequestJson): boolean {
  if (earlier.uri?.prefix === undefined || later.uri === undefined) return false;
  const { uri, name: _name, statPrefix: _prefix, ...rest } = earlier;
  return (
    (earlier.ignoreUriCase ?? false) === (later.ignoreUriCase ?? false) &&
    prefixCovers(earlier.uri, later.uri) &&
    Object.entries(rest).every(([field, value]) => {
      const other = Object.entries(later).find(([key]) => key === field)?.[1];
      return field === "ignoreUriCase" || canonical(value) === canonical(other);
    })
  );
}

function prefixCovers({ prefix = "" }: StringMatchJson, later: StringMatchJson): boolean {
  return (later.prefix ?? later.exact)?.startsWith(prefix) === true;
}
