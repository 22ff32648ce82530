import { resolveHost } from "#model/hostname.ts";
import { parseClusterName } from "#pilot/cluster-names.ts";
import { type Became, destinationText } from "./outcome.ts";
import type { Destination, Expectation } from "./read.ts";

/** A line of an expectation that is not met. */
export interface Difference {
  readonly what: string;
  readonly expected: string;
  readonly actual: string;
}

export interface Home {
  readonly namespace: string;
  readonly domain: string;
}

/** Everything that is not as it was expected. */
export function differences(
  expect: Expectation,
  became: Became,
  home: Home,
): readonly Difference[] {
  const { outcome } = became;
  return [
    ...differs("error", expect.error, outcome.error ?? "none"),
    ...differs("cluster", expect.cluster, outcome.clusterName ?? whereTo(became)),
    ...differs("route", expect.route, outcome.route?.name ?? "none"),
    ...destinationDiffers(expect, became, home),
    ...destinationsDiffer(expect, became, home),
    ...mirrorsDiffer(expect, became, home),
    ...differs("status", expect.status, became.answer?.status ?? whereTo(became)),
    ...differs("redirect", expect.redirect, became.answer?.location ?? whereTo(became)),
    ...differs("path", expect.path, outcome.sent?.path ?? whereTo(became)),
    ...differs("host", expect.host, outcome.sent?.host ?? whereTo(became)),
    ...durationDiffers("timeout", expect.timeout, became.timeout),
    ...durationDiffers("delay", expect.delay, became.delay),
    ...differs("retries", expect.retries, became.retries ?? "none"),
    ...headersDiffer(expect, became),
  ];
}

function differs(
  what: string,
  expected: string | number | undefined,
  actual: string | number,
): readonly Difference[] {
  if (expected === undefined || expected === actual) return [];
  return [{ what, expected: String(expected), actual: String(actual) }];
}

/** `0.5s` and `0.500s` are the same time. */
function durationDiffers(
  what: string,
  expected: string | undefined,
  actual: string | undefined,
): readonly Difference[] {
  if (expected === undefined) return [];
  const isSame = actual !== undefined && Number.parseFloat(expected) === Number.parseFloat(actual);
  return isSame ? [] : [{ what, expected, actual: actual ?? "none" }];
}

function destinationDiffers(
  { destination }: Expectation,
  became: Became,
  home: Home,
): readonly Difference[] {
  if (destination === undefined) return [];
  const [only, ...others] = became.destinations;
  const isOnly = only !== undefined && others.length === 0;
  if (isOnly && became.answer === undefined && isThere(destination, only.cluster, home)) return [];
  return [{ what: "destination", expected: asText(destination), actual: whereTo(became) }];
}

function destinationsDiffer(
  { destinations: wanted }: Expectation,
  became: Became,
  home: Home,
): readonly Difference[] {
  if (wanted === undefined) return [];
  const sum = wanted.reduce((total, { weight }) => total + weight, 0);
  const left = [...became.destinations];
  const met = wanted
    .filter(({ weight }) => weight > 0)
    .every((destination) => {
      const share = (destination.weight * 100) / sum;
      const at = left.findIndex(
        (one) =>
          isThere(destination, one.cluster, home) && Math.abs(one.share - share) < shareTolerance,
      );
      if (at >= 0) left.splice(at, 1);
      return at >= 0;
    });
  if (met && left.length === 0) return [];
  const expected = wanted
    .map((one) => `${percent((one.weight * 100) / sum)} ${asText(one)}`)
    .join(", ");
  return [{ what: "destinations", expected, actual: whereTo(became) }];
}

/** Of a percentage: weights are whole numbers, shares of them are not. */
const shareTolerance = 0.01;

function mirrorsDiffer(
  { mirrors: wanted }: Expectation,
  { mirrors }: Became,
  home: Home,
): readonly Difference[] {
  if (wanted === undefined) return [];
  const met =
    wanted.length === mirrors.length &&
    wanted.every((destination) => mirrors.some((cluster) => isThere(destination, cluster, home)));
  if (met) return [];
  const none = (texts: readonly string[]): string =>
    texts.length === 0 ? "none" : texts.join(", ");
  return [
    {
      what: "mirrors",
      expected: none(wanted.map(asText)),
      actual: none(mirrors.map(destinationText)),
    },
  ];
}

function headersDiffer({ headers = [] }: Expectation, { outcome }: Became): readonly Difference[] {
  return headers.flatMap(([name, expected]) => {
    const actual = outcome.sent?.headers.find(([own]) => own === name)?.[1] ?? null;
    if (actual === expected) return [];
    const text = (value: string | null): string => (value === null ? "absent" : `"${value}"`);
    return [{ what: `header ${name}`, expected: text(expected), actual: text(actual) }];
  });
}

function isThere({ host, subset, port }: Destination, cluster: string, home: Home): boolean {
  if (host === cluster) return true;
  const parsed = parseClusterName(cluster);
  if (parsed === undefined) return false;
  const full = resolveHost(host.toLowerCase(), home);
  const names = [full, `${full}.svc.${home.domain}`];
  return (
    names.includes(parsed.hostname) &&
    (subset === undefined || subset === parsed.subset) &&
    (port === undefined || port === parsed.port)
  );
}

function asText({ host, subset, port }: Destination): string {
  return `${host}${port === undefined ? "" : `:${port}`}${subset === undefined ? "" : `/${subset}`}`;
}

/** What happened instead. */
function whereTo({ outcome, answer, destinations }: Became): string {
  if (outcome.error !== undefined) return outcome.error;
  if (answer !== undefined) {
    const missing = answer.status === 503 && outcome.clusterName !== undefined;
    const why = missing ? `, as there is no cluster ${outcome.clusterName}` : "";
    return `${answer.status}${answer.location === undefined ? "" : ` to ${answer.location}`} by the proxy itself${why}`;
  }
  const [only, ...others] = destinations;
  if (only !== undefined && others.length === 0) return destinationText(only.cluster);
  const shares = destinations.map(
    ({ cluster, share }) => `${percent(share)} ${destinationText(cluster)}`,
  );
  return shares.length === 0 ? "nowhere" : shares.join(", ");
}

function percent(share: number): string {
  return `${Number(share.toFixed(2))}%`;
}
