import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { nodeOf, objectsOf } from "../../../testkit/view-of.ts";
import { rulesBehind } from "../provenance.ts";
import { meshState } from "../state/mesh-state.ts";
import { proxyView } from "../views.ts";

interface Written {
  readonly name: string;
  readonly namespace?: string;
  readonly host?: string;
  readonly exportTo?: string;
  readonly subset?: string;
  readonly selector?: string;
  readonly policy?: string;
}

const ruleOf = ({
  name,
  namespace = "shop",
  host = "reviews.shop.svc.cluster.local",
  exportTo,
  subset = name,
  selector,
  policy,
}: Written): string => `
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${name}, namespace: ${namespace}}
spec:
  host: "${host}"
  subsets: [{name: ${subset}, labels: {version: ${subset}}}]
${exportTo === undefined ? "" : `  exportTo: [${exportTo}]\n`}${
  selector === undefined ? "" : `  workloadSelector: {matchLabels: {app: ${selector}}}\n`
}${policy === undefined ? "" : `  trafficPolicy: {tls: {mode: ${policy}}}\n`}`;

const service = `
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: shop}
spec: {clusterIP: 10.0.0.9, ports: [{name: http, port: 80}]}
`;

function selected(
  rules: readonly Written[],
  caller: { readonly namespace: string; readonly labels?: Readonly<Record<string, string>> },
) {
  const state = meshState({ objects: objectsOf(service + rules.map(ruleOf).join("")) });
  return proxyView(state, nodeOf(caller)).scope.destinationRule("reviews.shop.svc.cluster.local");
}

const subsets = (...args: Parameters<typeof selected>): readonly unknown[] | undefined =>
  selected(...args)?.spec.subsets?.map(({ name }) => name);

const web = { namespace: "web" };

describe("DestinationRules", () => {
  test("the caller's namespace, then the service's, then the root's", () => {
    const root = { name: "root", namespace: "istio-system" };
    const own = { name: "own" };
    const callers = { name: "callers", namespace: "web" };
    assert.deepEqual(subsets([root], web), ["root"]);
    assert.deepEqual(subsets([root, own], web), ["own"]);
    assert.deepEqual(subsets([root, own, callers], web), ["callers"]);
    assert.deepEqual(subsets([root, own, callers], { namespace: "other" }), ["own"]);
  });

  test("within a namespace the most specific host, without inheriting from wider ones", () => {
    const wide = { name: "wide", host: "*.local", policy: "SIMPLE" };
    const wider = { name: "wider", host: "*" };
    const exact = { name: "exact" };
    assert.deepEqual(subsets([wider, wide], web), ["wide"]);
    const rule = selected([wide, wider, exact], web);
    assert.equal(rule?.spec.subsets?.[0]?.name, "exact");
    assert.equal(rule.spec.trafficPolicy, undefined);
    const callers = { name: "callers", namespace: "web", host: "*" };
    assert.deepEqual(subsets([exact, callers], web), ["callers"], "the namespace goes first");
  });

  test("a rule is seen where it is exported to; the caller's own always", () => {
    assert.deepEqual(subsets([{ name: "a", exportTo: "." }], web), undefined);
    assert.deepEqual(subsets([{ name: "a", exportTo: "." }], { namespace: "shop" }), ["a"]);
    assert.deepEqual(subsets([{ name: "a", exportTo: "web" }], web), ["a"]);
    const root = { name: "root", namespace: "istio-system" };
    assert.deepEqual(subsets([{ name: "a", exportTo: "other" }, root], web), ["root"]);
    assert.deepEqual(subsets([{ name: "b", namespace: "web", exportTo: "other" }], web), ["b"]);
  });

  test("the root namespace's own proxies are not bound to what it exports before the service's rules", () => {
    const root = { name: "root", namespace: "istio-system" };
    const hidden = { name: "hidden", namespace: "istio-system", exportTo: "." };
    const gateway = { namespace: "istio-system" };
    assert.deepEqual(subsets([root, { name: "own" }], gateway), ["own"]);
    assert.deepEqual(subsets([root, hidden, { name: "own" }], gateway), ["hidden"]);
  });

  test("rules for one host and the same readers are one: subsets are added, the first policy stays", () => {
    const rule = selected(
      [
        { name: "a" },
        { name: "b", policy: "SIMPLE" },
        { name: "c", subset: "a", policy: "DISABLE" },
      ],
      web,
    );
    assert.deepEqual(rule?.spec, {
      host: "reviews.shop.svc.cluster.local",
      subsets: [
        { name: "a", labels: { version: "a" } },
        { name: "b", labels: { version: "b" } },
      ],
      trafficPolicy: { tls: { mode: "SIMPLE" } },
    });
    assert.deepEqual(
      rulesBehind(rule).map(({ object }) => object.metadata.name),
      ["a", "b", "c"],
    );
    const [, second] = rule.spec.subsets ?? [];
    assert.ok(second && rule.spec.trafficPolicy);
    assert.deepEqual(
      rulesBehind(second).map(({ object, keys }) => [object.metadata.name, keys]),
      [["b", ["spec", "subsets", 0]]],
    );
    assert.deepEqual(
      rulesBehind(rule.spec.trafficPolicy).map(({ object }) => object.metadata.name),
      ["b"],
    );
  });

  test("rules for different readers stay apart; one for more readers adds to the narrower one", () => {
    const narrow = { name: "narrow", exportTo: "web" };
    const wide = { name: "wide", exportTo: '"*"' };
    assert.deepEqual(subsets([narrow, wide], { namespace: "other" }), ["wide"]);
    const both = { name: "both", exportTo: "web, other" };
    assert.deepEqual(subsets([narrow, both], { namespace: "other" }), ["both"]);
  });

  test("a rule for a workload goes before one for all, in its own namespace only", () => {
    const rules = [
      { name: "all" },
      { name: "chosen", selector: "web" },
      { name: "more", selector: "web" },
    ];
    const labels = { app: "web", pod: "1" };
    assert.deepEqual(subsets(rules, { namespace: "shop", labels }), ["chosen", "more"]);
    assert.deepEqual(subsets(rules, { namespace: "shop" }), ["all"]);
    assert.deepEqual(subsets(rules, { namespace: "web", labels }), ["all"]);
    assert.equal(subsets([{ name: "chosen", selector: "web" }], { namespace: "shop" }), undefined);
  });
});
