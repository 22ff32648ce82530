/** What Pilot makes of many configurations, asked without a socket: the proxy's own matchers say where calls go. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { generateXds } from "#pilot/generate.ts";
import type { ProxyView } from "#pilot/view.ts";
import { type CallOutcome, Simulation } from "#proxy/simulate.ts";
import { viewOf } from "../../testkit/view-of.ts";
import {
  allCases,
  authorityOf,
  type Case,
  type ExpectedCall,
  type Target,
  targetOf,
} from "./harness/cases.ts";

/** The caller of all calls, and the gateway that those from outside come to. */
const nodes = {
  sidecar: {
    type: "sidecar",
    ipAddresses: ["10.0.0.1"],
    labels: { app: "web", version: "v1" },
    locality: { region: "r1", zone: "z1", subZone: "" },
  },
  gateway: { type: "router", ipAddresses: ["10.0.0.2"], labels: { app: "ingress" } },
} as const;

for (const each of allCases()) {
  suite(each.name, () => {
    const proxies = new Map<string, { view: ProxyView; simulation: Simulation }>();
    for (const call of each.calls) {
      test(`${call.via ?? "sidecar"} ${call.call} ${JSON.stringify(call.headers ?? {})}`, () => {
        const via = call.via ?? "sidecar";
        const known = proxies.get(via) ?? proxyOf(each, via);
        proxies.set(via, known);
        judge(call, known.simulation.run({ ...callOf(call, known.view), ...tlsOf(call) }));
      });
    }
  });
}

function proxyOf(
  { services, rules }: Case,
  via: keyof typeof nodes,
): { view: ProxyView; simulation: Simulation } {
  const view = viewOf({ yaml: `${services}---\n${rules}`, node: nodes[via] });
  return { view, simulation: new Simulation(generateXds(view)) };
}

type SimulatedCall = Parameters<Simulation["run"]>[0];

function callOf(call: ExpectedCall, view: ProxyView): Omit<SimulatedCall, "tls" | "sni" | "alpn"> {
  const target = targetOf(call);
  const gateway = call.via === "gateway";
  return {
    address: gateway ? "10.0.0.2" : addressOf(target, view),
    port: target.port,
    protocol: target.scheme === "tcp" || target.scheme === "tls" ? "tcp" : "http",
    hostHeader: authorityOf(target),
    path: target.path,
    method: target.method,
    headers: Object.entries(call.headers ?? {}),
    callMode: gateway ? "gateway" : "outbound",
  };
}

function tlsOf(call: ExpectedCall): Pick<SimulatedCall, "tls" | "sni" | "alpn"> {
  const { scheme, host } = targetOf(call);
  const plain = scheme === "http" || scheme === "tcp";
  return plain ? { tls: "plaintext", sni: "", alpn: "" } : { tls: "tls", sni: host, alpn: "" };
}

/** As DNS would tell a client: of what has no address, some address outside the mesh. */
function addressOf({ host }: Target, { scope }: ProxyView): string {
  const names = [host, `${host}.svc.cluster.local`, `${host}.default.svc.cluster.local`];
  const service = names.map((name) => scope.service(name)).find((found) => found !== undefined);
  return service?.addresses[0] ?? "203.0.113.1";
}

function judge(expected: ExpectedCall, outcome: CallOutcome): void {
  const { cluster, error, path, status, gets = {} } = expected;
  assert.equal(outcome.error, error);
  const shares = outcome.destinations?.filter(({ weight }) => weight > 0) ?? [];
  const clusters = shares.map((share) => share.cluster);
  if (cluster !== undefined) assert.deepEqual(clusters, cluster === null ? [] : [cluster].flat());
  if (path !== undefined) assert.equal(outcome.sent?.path, path);
  if (cluster !== null || error !== undefined) return;
  assert.equal(outcome.answer?.status, status ?? 200);
  if (gets["location"] !== undefined) assert.equal(outcome.answer?.location, gets["location"]);
}
