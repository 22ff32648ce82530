import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ProxyNode } from "#model/node.ts";
import { nodeOf, objectsOf } from "../../../testkit/view-of.ts";
import { meshState } from "../state/mesh-state.ts";
import type { OutboundScope } from "../view.ts";
import { proxyView } from "../views.ts";

const kube = (name: string, namespace: string, annotations = ""): string => `
---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ${namespace}, annotations: {${annotations}}}
spec: {clusterIP: 10.0.0.9, ports: [{name: http, port: 80}, {name: tcp, port: 90}]}
`;

const external = (name: string, namespace: string, spec = "", port = 80): string => `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: ${namespace}}
spec: {hosts: [api.example], resolution: STATIC, ports: [{number: ${port}, name: p${port}, protocol: HTTP}], endpoints: [{address: 10.0.0.${port}}]${spec}}
`;

const sidecar = (egress: string, { name = "default", namespace = "shop", selector = "" } = {}) => `
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: ${name}, namespace: ${namespace}}
spec: {${selector === "" ? "" : `workloadSelector: {labels: {app: ${selector}}}, `}egress: ${egress}}
`;

const route = (name: string, namespace: string, host: string, spec = ""): string => `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}, namespace: ${namespace}}
spec: {hosts: [${host}], http: [{route: [{destination: {host: b.other.svc.cluster.local, port: {number: 80}}}]}]${spec}}
`;

function scopeOf(yaml: string, node: Partial<ProxyNode> = {}): OutboundScope {
  const state = meshState({ objects: objectsOf(yaml) });
  return proxyView(state, nodeOf({ namespace: "shop", ...node })).scope;
}

const names = ({ services }: OutboundScope): readonly string[] =>
  services.map(({ name, namespace }) => `${name}.${namespace}`);

const three = kube("a", "shop") + kube("b", "other") + kube("c", "third");

describe("services that a proxy may call", () => {
  test("exportTo: everybody, the own namespace, named ones, nobody; private ones go first", () => {
    const yaml =
      kube("all", "other") +
      kube("own", "shop", 'networking.istio.io/exportTo: "."') +
      kube("theirs", "other", 'networking.istio.io/exportTo: "."') +
      kube("named", "other", 'networking.istio.io/exportTo: "shop, third"') +
      kube("none", "shop", 'networking.istio.io/exportTo: "~"');
    assert.deepEqual(names(scopeOf(yaml)), ["own.shop", "named.other", "all.other"]);
    assert.deepEqual(names(scopeOf(yaml, { namespace: "other" })), ["theirs.other", "all.other"]);
  });

  test("the mesh says what an absent exportTo means", () => {
    const objects = objectsOf(three);
    const state = meshState({ objects, meshConfig: { defaultServiceExportTo: ["."] } });
    const { scope } = proxyView(state, nodeOf({ namespace: "shop" }));
    assert.deepEqual(names(scope), ["a.shop"]);
  });

  test("of one hostname in several namespaces: the caller's own, else the oldest", () => {
    const yaml = external("one", "first") + external("two", "shop") + external("three", "third");
    assert.deepEqual(names(scopeOf(yaml)), ["api.example.shop"]);
    assert.deepEqual(names(scopeOf(yaml, { namespace: "nowhere" })), ["api.example.first"]);
  });

  test("a Kubernetes Service goes before a ServiceEntry of its name elsewhere, and joins one in its namespace", () => {
    const entry = (namespace: string): string =>
      external("entry", namespace).replace("api.example", "a.shop.svc.cluster.local");
    const scope = scopeOf(entry("other") + kube("a", "shop") + entry("shop"), { namespace: "x" });
    assert.deepEqual(
      scope.services.map(({ registry, namespace }) => [registry, namespace]),
      [["Kubernetes", "shop"]],
    );
    const [service] = scope.services;
    assert.ok(service);
    assert.deepEqual(
      scope.endpoints(service).map(({ address }) => address),
      ["10.0.0.80"],
    );
  });

  test("what a certificate must carry is taken from a ServiceEntry of the Service's own namespace", () => {
    const entry = (namespace: string): string =>
      external(`e-${namespace}`, namespace, `, subjectAltNames: [spiffe://${namespace}]`).replace(
        "api.example",
        "a.shop.svc.cluster.local",
      );
    const found = (yaml: string): readonly string[] | undefined =>
      scopeOf(yaml).services[0]?.subjectAltNames;
    assert.deepEqual(found(entry("shop") + kube("a", "shop")), ["spiffe://shop"]);
    assert.deepEqual(found(kube("a", "shop") + entry("shop")), ["spiffe://shop"]);
    assert.deepEqual(found(kube("a", "shop") + entry("other")), []);
  });

  test("ServiceEntries of one namespace with one host are one service, if they are alike", () => {
    const scope = scopeOf(external("one", "shop") + external("two", "shop", "", 81));
    const [service, ...others] = scope.services;
    assert.ok(service);
    assert.deepEqual(others, []);
    assert.deepEqual(
      service.ports.map(({ number }) => number),
      [80, 81],
    );
    assert.deepEqual(
      scope.endpoints(service).map(({ address, ports }) => [address, ports]),
      [
        ["10.0.0.80", { p80: 80 }],
        ["10.0.0.81", { p81: 81 }],
      ],
    );
    const unlike = scopeOf(
      external("one", "shop") + external("two", "shop", ", exportTo: [.]", 81),
    );
    assert.deepEqual(
      unlike.services.map(({ ports }) => ports.map(({ number }) => number)),
      [[81]],
    );
  });
});

describe("Sidecars", () => {
  const chosen = (yaml: string, node: Partial<ProxyNode> = {}): string | undefined =>
    scopeOf(yaml, node).sidecar?.metadata.name;
  const any = '[{hosts: ["*/*"]}]';

  test("one for the workload, then the namespace's, then the root namespace's", () => {
    const root = sidecar(any, { name: "root", namespace: "istio-system" });
    const own = sidecar(any, { name: "own" });
    const picky = sidecar(any, { name: "picky", selector: "web" });
    const labels = { app: "web" };
    assert.equal(chosen(""), undefined);
    assert.equal(chosen(root), "root");
    assert.equal(chosen(root + own, { labels }), "own");
    assert.equal(chosen(root + own + picky, { labels }), "picky");
    assert.equal(chosen(root + own + picky), "own");
    assert.equal(chosen(own, { namespace: "other" }), undefined);
    const rootPicky = sidecar(any, { name: "p", namespace: "istio-system", selector: "web" });
    assert.equal(chosen(rootPicky, { labels }), undefined, "a selector stays in its namespace");
    assert.equal(chosen(own, { type: "router" }), undefined, "gateways have none");
  });

  test("hosts: own, any, a namespace's, none, and what is taken out again", () => {
    const egress = (hosts: string): readonly string[] =>
      names(scopeOf(three + sidecar(`[{hosts: [${hosts}]}]`)));
    assert.deepEqual(egress('"./*"'), ["a.shop"]);
    assert.deepEqual(egress('"*/*"'), ["a.shop", "b.other", "c.third"]);
    assert.deepEqual(egress('"other/*"'), ["b.other"]);
    assert.deepEqual(egress('"*/c.third.svc.cluster.local"'), ["c.third"]);
    assert.deepEqual(egress('"*/*.other.svc.cluster.local"'), ["b.other"]);
    assert.deepEqual(egress('"~/*"'), []);
    assert.deepEqual(egress('"*/*", "~other/*"'), ["a.shop", "c.third"]);
  });

  test("a listener with a port takes that port of each service; the one without comes last", () => {
    const scope = scopeOf(
      three +
        sidecar(
          '[{hosts: ["./*"]}, {port: {number: 90, protocol: TCP, name: tcp}, hosts: ["other/*"]}]',
        ),
    );
    assert.deepEqual(
      scope.egress.map(({ listener, services }) => [
        listener?.port?.number,
        services.map(({ name, ports }) => [name, ports.map(({ number }) => number)]),
      ]),
      [
        [90, [["b", [90]]]],
        [undefined, [["a", [80, 90]]]],
      ],
    );
    assert.deepEqual(names(scope), ["b.other", "a.shop"]);
  });

  test("an HTTP_PROXY listener takes every port", () => {
    const scope = scopeOf(
      three +
        sidecar('[{port: {number: 3128, protocol: HTTP_PROXY, name: proxy}, hosts: ["*/*"]}]'),
    );
    assert.equal(scope.services.length, 3);
  });

  test("VirtualServices come in by their hosts, and bring the services that they lead to", () => {
    const yaml =
      three +
      route("in", "shop", "a.shop.svc.cluster.local") +
      route("out", "shop", "c.third.svc.cluster.local") +
      sidecar('[{hosts: ["./a.shop.svc.cluster.local"]}]');
    const scope = scopeOf(yaml);
    assert.deepEqual(
      scope.virtualServices("mesh").map(({ metadata }) => metadata.name),
      ["in"],
    );
    assert.deepEqual(
      scope.services.map(({ name, ports }) => [name, ports.map(({ number }) => number)]),
      [
        ["a", [80, 90]],
        ["b", [80]],
      ],
    );
  });
});

describe("VirtualServices", () => {
  test("private ones first, then those exported by name, then public ones; none that is exported elsewhere", () => {
    const yaml =
      route("public", "other", "x.example") +
      route("named", "other", "x.example", ", exportTo: [shop]") +
      route("theirs", "other", "x.example", ", exportTo: [.]") +
      route("own", "shop", "x.example", ", exportTo: [.]");
    assert.deepEqual(
      scopeOf(yaml)
        .virtualServices("mesh")
        .map(({ metadata }) => metadata.name),
      ["own", "named", "public"],
    );
  });

  test("gateways: those named, in full, in the short form and in the old one", () => {
    const yaml = ["other/gw", "./gw", "gw", "gw.other.svc.cluster.local", "mesh"]
      .map((name, index) => route(`r${index}`, "shop", "x.example", `, gateways: ["${name}"]`))
      .join("");
    const scope = scopeOf(yaml, { type: "router" });
    const through = (gateway: string): readonly string[] =>
      scope.virtualServices(gateway).map(({ metadata }) => metadata.name);
    assert.deepEqual(through("other/gw"), ["r0", "r3"]);
    assert.deepEqual(through("shop/gw"), ["r1", "r2"]);
    assert.deepEqual(through("mesh"), ["r4"]);
  });
});
