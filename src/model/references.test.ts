import assert from "node:assert/strict";
import { test } from "node:test";
import { printObjectProblem, readObjects } from "./documents.ts";
import { referenceWarnings } from "./references.ts";

const object = (kind: string, name: string, spec: string, namespace = "default"): string => {
  const group =
    kind === "Service" ? "" : kind === "Telemetry" ? "telemetry.istio.io/" : "networking.istio.io/";
  return `{apiVersion: ${group}v1, kind: ${kind}, metadata: {name: ${name}, namespace: ${namespace}}, spec: ${spec}}`;
};

const warningsOf = (...documents: readonly string[]): readonly string[] => {
  const { objects, problems } = readObjects("a", documents.join("\n---\n"));
  assert.deepEqual(problems, []);
  return referenceWarnings(objects).map((warning) =>
    printObjectProblem(warning).replace(/^a:\d+:\d+ /, ""),
  );
};

const service = (name: string, namespace?: string): string =>
  object("Service", name, "{ports: [{port: 80}]}", namespace);
const to = (destination: string, more = ""): string =>
  `{hosts: [reviews], http: [{route: [{destination: {${destination}}}]}]${more}}`;

test("names that are there are not missed, nor what no file has any of", () => {
  const rule = object("DestinationRule", "r", "{host: reviews, subsets: [{name: v1}]}");
  assert.deepEqual(
    warningsOf(
      service("reviews"),
      rule,
      object("VirtualService", "v", to("host: reviews, subset: v1")),
    ),
    [],
  );
  assert.deepEqual(warningsOf(object("VirtualService", "v", to("host: nobody, subset: v9"))), []);
});

test("a subset that no rule of the host has", () => {
  const rule = object("DestinationRule", "r", "{host: reviews, subsets: [{name: v1}]}");
  assert.deepEqual(
    warningsOf(rule, object("VirtualService", "v", to("host: reviews, subset: v2"))),
    [
      'VirtualService/default/v spec.http[0].route[0].destination.subset: no DestinationRule of reviews.default.svc.cluster.local has a subset "v2": calls get 503',
    ],
  );
});

test("a service that is not there, of routes, mirrors, TLS and TCP", () => {
  const entry = object("ServiceEntry", "e", '{hosts: ["*.example.com"], resolution: NONE}');
  const spec = `{hosts: [a.example.com], http: [{route: [{destination: {host: a.example.com}}], mirror: {host: x}}],
    tls: [{match: [{sniHosts: [a.example.com]}], route: [{destination: {host: y}}]}], tcp: [{route: [{destination: {host: reviews.other.svc.cluster.local}}]}]}`;
  assert.deepEqual(warningsOf(service("reviews"), entry, object("VirtualService", "v", spec)), [
    "VirtualService/default/v spec.http[0].mirror.host: there is no service x.default.svc.cluster.local: calls get 503",
    "VirtualService/default/v spec.tls[0].route[0].destination.host: there is no service y.default.svc.cluster.local: calls get 503",
    "VirtualService/default/v spec.tcp[0].route[0].destination.host: there is no service reviews.other.svc.cluster.local: calls get 503",
  ]);
});

test("a gateway that is not there, and hosts that it does not serve", () => {
  const gateway = object(
    "Gateway",
    "g",
    '{selector: {a: b}, servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: ["shop/*.example.com", ./own.com]}]}',
  );
  const rule = (hosts: string, gateways: string, namespace: string): string =>
    object(
      "VirtualService",
      "v",
      `{hosts: [${hosts}], gateways: [${gateways}], http: [{redirect: {uri: /}}]}`,
      namespace,
    );
  assert.deepEqual(warningsOf(gateway, rule("a.example.com", "default/g", "shop")), []);
  assert.deepEqual(warningsOf(gateway, rule("own.com", "g", "default")), []);
  assert.deepEqual(warningsOf(gateway, rule("own.com", "g", "shop")), [
    "VirtualService/shop/v spec.gateways[0]: there is no Gateway shop/g",
  ]);
  assert.deepEqual(warningsOf(gateway, rule("a.example.org, own.com", "default/g", "shop")), [
    'VirtualService/shop/v spec.hosts[0]: "a.example.org" is none of the hosts of default/g',
    'VirtualService/shop/v spec.hosts[1]: "own.com" is none of the hosts of default/g',
  ]);
});

test("a delegate that is not there", () => {
  const delegate = object("VirtualService", "d", "{http: [{redirect: {uri: /}}]}");
  const root = (name: string): string =>
    object("VirtualService", "v", `{hosts: [a], http: [{delegate: {name: ${name}}}]}`);
  assert.deepEqual(warningsOf(delegate, root("d")), []);
  assert.deepEqual(warningsOf(delegate, root("e")), [
    "VirtualService/default/v spec.http[0].delegate: there is no VirtualService default/e without hosts",
  ]);
});

test("rules of which sidecars take one", () => {
  const rule = (name: string, more = ""): string =>
    object("VirtualService", name, to("host: reviews", more));
  assert.deepEqual(warningsOf(rule("b"), rule("a")), [
    "VirtualService/default/b spec.hosts[0]: has no effect in sidecars: VirtualService/default/a is for the same host, and the oldest counts",
  ]);
  assert.deepEqual(warningsOf(rule("a"), rule("b", ", gateways: [g]")), []);
  assert.deepEqual(warningsOf(rule("a"), rule("b", ', exportTo: ["."]')), []);
});

test("two for a whole namespace", () => {
  const spec = '{egress: [{hosts: ["*/*"]}]}';
  const selected = '{workloadSelector: {labels: {a: b}}, egress: [{hosts: ["*/*"]}]}';
  const sidecars = [object("Sidecar", "a", spec), object("Sidecar", "b", spec, "shop")];
  assert.deepEqual(warningsOf(...sidecars, object("Sidecar", "c", selected)), []);
  assert.deepEqual(
    warningsOf(...sidecars, object("Sidecar", "d", spec), object("Telemetry", "t", "{}")),
    [
      "Sidecar/default/d spec: has no effect: Sidecar/default/a is for the whole namespace too, and the oldest counts",
    ],
  );
});
