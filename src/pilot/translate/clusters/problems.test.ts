import assert from "node:assert/strict";
import { test } from "node:test";
import { decidedBy } from "#pilot/provenance.ts";
import type { OutboundScope } from "#pilot/view.ts";
import { hostname, reviews } from "../../../../testkit/pilot-clusters.ts";
import { aDestinationRule, aScope, aView } from "../../../../testkit/pilot-view.ts";
import { clusterProblems } from "./problems.ts";

type Spec = Parameters<typeof aDestinationRule>[0];

function messages(spec: Omit<Spec, "host">, scope: Partial<OutboundScope> = {}): readonly string[] {
  const rule = aDestinationRule({ host: hostname, ...spec });
  return clusterProblems(aView(aScope([{ service: reviews, rule }], scope))).map(
    ({ message }) => message,
  );
}

const plain = "needs workload certificates, which Heddle does not have yet: calls are plain text";

test("what a rule asks for and does not get is named by its place", () => {
  assert.deepEqual(
    messages({
      trafficPolicy: {
        tls: { mode: "ISTIO_MUTUAL" },
        retryBudget: { budgetInterval: "1s" },
        portLevelSettings: [
          { port: { number: 80 }, loadBalancer: { zoneAwareLbSetting: {} } },
          { port: { number: 81 }, tls: { mode: "DISABLE", credentialName: "a" } },
        ],
      },
      subsets: [{ name: "v1" }, { name: "v2", trafficPolicy: { tls: { mode: "ISTIO_MUTUAL" } } }],
    }),
    [
      `DestinationRule/default/rule spec.trafficPolicy.tls.mode: ISTIO_MUTUAL ${plain}`,
      "DestinationRule/default/rule spec.trafficPolicy.portLevelSettings[0].loadBalancer.zoneAwareLbSetting: is not supported yet: it changes nothing",
      "DestinationRule/default/rule spec.trafficPolicy.retryBudget.budgetInterval: proxies have no such setting",
      `DestinationRule/default/rule spec.subsets[1].trafficPolicy.tls.mode: ISTIO_MUTUAL ${plain}`,
    ],
  );
});

test("secrets by name are for gateways and selected sidecars", () => {
  const trafficPolicy = { tls: { mode: "SIMPLE", credentialName: "a" } } as const;
  assert.deepEqual(messages({ trafficPolicy }), [
    "DestinationRule/default/rule spec.trafficPolicy.tls.credentialName: counts on sidecars only with a workloadSelector: calls are plain text",
  ]);
  assert.deepEqual(messages({ trafficPolicy, workloadSelector: { matchLabels: { a: "b" } } }), []);
  assert.deepEqual(messages({ trafficPolicy }, { type: "router" }), []);
});

test("of merged rules the one that says it is named", () => {
  const written = aDestinationRule({ host: "reviews" }, "second");
  const subset = { name: "v1", trafficPolicy: { tls: { mode: "ISTIO_MUTUAL" } } } as const;
  decidedBy(subset, { object: written, keys: ["spec", "subsets", 3] });
  assert.deepEqual(messages({ subsets: [subset] }), [
    `DestinationRule/default/second spec.subsets[3].trafficPolicy.tls.mode: ISTIO_MUTUAL ${plain}`,
  ]);
});
