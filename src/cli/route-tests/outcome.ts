import { parseClusterName } from "#pilot/cluster-names.ts";
import type { CallOutcome, WeightedDestination } from "#proxy/simulate.ts";
import type { Answer } from "#proxy/simulated-call.ts";

/** What became of a call, in the words of a test. */
export interface Became {
  readonly outcome: CallOutcome;
  /** By share of the calls, in percent; those without any left out. */
  readonly destinations: readonly { readonly cluster: string; readonly share: number }[];
  readonly mirrors: readonly string[];
  /** What the client gets from the proxy itself; undefined: it is the destination's to answer. */
  readonly answer: Answer | undefined;
  readonly timeout: string | undefined;
  /** Of every call, before it goes on. */
  readonly delay: string | undefined;
  readonly retries: number | undefined;
}

export function becameOf(outcome: CallOutcome): Became {
  const { route, destinations = [] } = outcome;
  const action = route?.route;
  return {
    outcome,
    destinations: sharesOf(destinations),
    mirrors: (action?.requestMirrorPolicies ?? []).flatMap(({ cluster }) => cluster ?? []),
    answer: answerOf(outcome),
    timeout: action?.timeout,
    delay: text(member(certain(faultOf(outcome, "delay")), "fixedDelay")),
    retries: action?.retryPolicy === undefined ? undefined : (action.retryPolicy.numRetries ?? 1),
  };
}

function sharesOf(destinations: readonly WeightedDestination[]): Became["destinations"] {
  const sum = destinations.reduce((total, { weight }) => total + weight, 0);
  return destinations
    .filter(({ weight }) => weight > 0)
    .map(({ cluster, weight }) => ({ cluster, share: (weight * 100) / sum }));
}

function answerOf(outcome: CallOutcome): Answer | undefined {
  const { error, answer, clusterName, cluster } = outcome;
  switch (error) {
    case "NoRoute":
    case "NoVirtualHost":
      return { status: 404 };
    case "TLSRedirect":
      return { status: 301 };
    case undefined:
      break;
    default:
      return undefined;
  }
  if (answer !== undefined) return answer;
  const aborted = abortOf(outcome);
  if (aborted !== undefined) return { status: aborted };
  // Envoy's answer for a cluster that is not there (flag NC).
  return clusterName !== undefined && cluster === undefined ? { status: 503 } : undefined;
}

/** A fault that ends every request of the route. */
function abortOf(outcome: CallOutcome): number | undefined {
  const status = member(certain(faultOf(outcome, "abort")), "httpStatus");
  return typeof status === "number" ? status : undefined;
}

function faultOf({ route }: CallOutcome, kind: "abort" | "delay"): unknown {
  return member(route?.typedPerFilterConfig?.["envoy.filters.http.fault"], kind);
}

const denominators: Readonly<Record<string, number>> = {
  HUNDRED: 100,
  TEN_THOUSAND: 10_000,
  MILLION: 1_000_000,
};

/** A fault of some requests is nothing that a test can count on. */
function certain(fault: unknown): unknown {
  const percentage = member(fault, "percentage");
  const whole = denominators[String(member(percentage, "denominator") ?? "HUNDRED")];
  return member(percentage, "numerator") === whole ? fault : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? Object.getOwnPropertyDescriptor(value, name)?.value
    : undefined;
}

/** `reviews.default.svc.cluster.local:9080/v2`, or the cluster's own name. */
export function destinationText(cluster: string): string {
  const parsed = parseClusterName(cluster);
  if (parsed === undefined) return cluster;
  const { hostname, port, subset } = parsed;
  return `${hostname}:${port}${subset === "" ? "" : `/${subset}`}`;
}
