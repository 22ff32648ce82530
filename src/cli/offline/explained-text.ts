import type { Call } from "#proxy/simulated-call.ts";
import type { Decided, DecidingRule, ExplainedCall } from "./explained.ts";

const whys: Readonly<Record<string, string>> = {
  NoListener: "no listener takes it",
  NoFilterChain: "no filter chain takes the connection: it is closed",
  MultipleFilterChain:
    "several filter chains would take the connection: the proxy refuses the listener",
  NoVirtualHost: "no virtual host is for this host: 404",
  NoRoute: "no route of the virtual host matches: 404",
  TLSRedirect: "the virtual host wants TLS: 301 to https",
  ProtocolError: "HTTP is expected, and this is TCP or TLS that the proxy does not end",
  TLSError: "TLS is expected, and this is plain text",
  MTLSError: "the chain and the call disagree on whether the client has a certificate",
};

/** A call and its way for people: a line each for what matched, with the rules that decided it. */
export function explainedText(call: Call, result: ExplainedCall): string {
  const lines = [`${callText(call)}`];
  const step = (label: string, decided: Decided, name: string | null): void => {
    if (name === null) return;
    const rules = result.rules.filter((rule) => rule.decided === decided);
    lines.push(`  ${label.padEnd(13)} ${name}`);
    for (const rule of rules) lines.push(`  ${"".padEnd(13)}   ${ruleText(rule)}`);
  };
  step("listener", "listener", result.listenerMatched);
  step("filter chain", "filterChain", result.filterChainMatched);
  step("routes", "routeConfig", result.routeConfigMatched);
  step("virtual host", "virtualHost", result.virtualHostMatched);
  step("route", "route", result.routeMatched ?? (isRouted(result) ? "(without a name)" : null));
  step("cluster", "cluster", result.clusterMatched);
  lines.push(`  ${conclusion(result)}`);
  return `${lines.join("\n")}\n`;
}

export function callText({ method, hostHeader, path, protocol, address, port, tls }: Call): string {
  const secure = tls === "plaintext" ? "" : ` (${tls})`;
  return protocol === "tcp"
    ? `tcp ${address}:${port}${secure}`
    : `${method} ${hostHeader === "" ? `${address}:${port}` : hostHeader}${path}${secure}`;
}

function isRouted({ virtualHostMatched, error }: ExplainedCall): boolean {
  return virtualHostMatched !== null && error === null;
}

/** `reviews.yaml:12:5 VirtualService/default/reviews spec.http[0]` */
function ruleText({ kind, namespace, name, field, file, line, column }: DecidingRule): string {
  const place = file === null ? "" : `${file}:${line ?? 1}:${column ?? 1} `;
  return `${place}${kind}/${namespace}/${name}${field === "" ? "" : ` ${field}`}`;
}

function conclusion(result: ExplainedCall): string {
  const { error, answer, weightedClusters, clusterMatched, clusterFound } = result;
  if (error !== null) return `✗ ${error}: ${whys[error] ?? ""}`;
  if (answer !== null && answer !== undefined) {
    const { status, location } = answer;
    return `→ ${status}${location === undefined ? "" : ` to ${location}`}, by the proxy itself`;
  }
  if (clusterMatched !== null) {
    const note = clusterFound === false ? ", but there is no such cluster: 503" : "";
    return `→ ${clusterMatched}${note}`;
  }
  if (weightedClusters === null) return "→ nowhere";
  const sum = weightedClusters.reduce((total, { weight }) => total + weight, 0);
  const shares = weightedClusters.map(
    ({ cluster, weight }) => `${percent(weight, sum)} ${cluster}`,
  );
  return `→ ${shares.join(", ")}`;
}

function percent(weight: number, sum: number): string {
  const share = sum === 0 ? 0 : (weight * 100) / sum;
  return `${Number(share.toFixed(2))}%`;
}
