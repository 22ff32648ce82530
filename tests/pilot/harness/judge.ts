/** Whether what happened is what a case expects. */
import assert from "node:assert/strict";
import type { Outcome } from "./callers.ts";
import type { Choice, ExpectedCall } from "./cases.ts";

/** Calls enough to tell a share of 10 from one of 20 in a hundred. */
const sampleSize = 200;

export function timesOf({ times, from, status, sticky }: ExpectedCall): number {
  if (times !== undefined) return times;
  if (isShares(from) || isShares(status)) return sampleSize;
  return sticky === true ? 8 : 1;
}

export function judge(expected: ExpectedCall, outcomes: readonly Outcome[]): void {
  const { call, from, status, sticky } = expected;
  for (const outcome of outcomes) judgeOne(expected, outcome);
  const sources = outcomes.map((outcome) => outcome.from ?? "nobody");
  if (isShares(from)) judgeShares(call, from, sources);
  if (isShares(status))
    judgeShares(
      call,
      status,
      outcomes.map((outcome) => `${outcome.status}`),
    );
  if (sticky === true) assert.equal(new Set(sources).size, 1, `${call}: ${sources.join(" ")}`);
}

/** What each single call must be, whatever the others were. */
export function judgeOne(expected: ExpectedCall, outcome: Outcome): void {
  const { call, status, from, afterMs, attempts, certificate, closed = false } = expected;
  const what = `${call}: ${outcome.status} from ${outcome.from ?? "nobody"} ${outcome.body}`;
  assert.equal(outcome.closed, closed, what);
  if (closed) return;
  if (typeof status === "number") assert.equal(outcome.status, status, what);
  if (status === undefined && !call.includes("TCP ")) assert.equal(outcome.status, 200, what);
  if (from !== undefined && outcome.status < 400) {
    assert(namesOf(from).includes(outcome.from ?? ""), what);
  }
  if (attempts !== undefined) assert.equal(outcome.visits.length, attempts, what);
  if (afterMs !== undefined) assert(outcome.elapsedMs >= afterMs, what);
  if (certificate !== undefined) assert.equal(outcome.certificate, `DNS:${certificate}`, what);
  judgeSeen(expected, outcome, what);
  judgeHeaders(expected.gets, outcome.headers, what);
  for (const [name, pattern] of Object.entries(expected.matches ?? {})) {
    assert.match(outcome.headers[name] ?? "", new RegExp(pattern), what);
  }
  if (expected.body !== undefined) assert.equal(outcome.body, expected.body);
}

function judgeSeen(
  { path, host, port, sees }: ExpectedCall,
  { seen }: Outcome,
  what: string,
): void {
  if (path !== undefined) assert.equal(seen?.path, path, what);
  if (host !== undefined) assert.equal(seen?.host, host, what);
  if (port !== undefined) assert.equal(seen?.port, port, what);
  judgeHeaders(sees, seen?.headers ?? {}, what);
}

function judgeHeaders(
  expected: Readonly<Record<string, string | null>> = {},
  headers: Readonly<Record<string, string>>,
  what: string,
): void {
  for (const [name, value] of Object.entries(expected)) {
    assert.equal(headers[name] ?? null, value, `${what}: ${name}`);
  }
}

/** Six standard deviations of a binomial distribution: one mistake in a thousand million. */
function judgeShares(
  call: string,
  shares: Readonly<Record<string, number>>,
  values: readonly string[],
): void {
  for (const value of new Set(values)) assert(value in shares, `${call}: ${value}`);
  for (const [value, percent] of Object.entries(shares)) {
    const count = values.filter((other) => other === value).length;
    const share = percent / 100;
    const bound = 6 * Math.sqrt(values.length * share * (1 - share));
    assert(
      Math.abs(count - values.length * share) <= bound,
      `${call}: ${count} of ${values.length} are ${value}, expected ${percent} %`,
    );
  }
}

function namesOf(choice: Choice): readonly string[] {
  if (typeof choice === "string") return [choice];
  return isShares(choice) ? Object.keys(choice) : choice;
}

function isShares(value: unknown): value is Readonly<Record<string, number>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Different on each call, or in the hands of the clock. */
const volatile: ReadonlySet<string> = new Set([
  ...["date", "x-call", "x-request-id", "x-envoy-upstream-service-time", "set-cookie", "cookie"],
]);

/** What two proxies must agree on: status, headers in both directions, what workloads saw. */
export function comparable(outcome: Outcome): unknown {
  const { status, headers, seen, certificate, closed } = outcome;
  const stable = (fields: Readonly<Record<string, string>>): unknown =>
    Object.fromEntries(
      Object.entries(fields)
        .filter(([name]) => !volatile.has(name))
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  return {
    status,
    headers: stable(headers),
    certificate,
    closed,
    seen: seen && { method: seen.method, path: seen.path, headers: stable(seen.headers) },
  };
}
