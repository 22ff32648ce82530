import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { ConfigObject } from "#model/object.ts";
import { describeView } from "../../testkit/describe-view.ts";
import { FakeClock } from "../../testkit/fake-clock.ts";
import { nodeOf, objectsOf } from "../../testkit/view-of.ts";
import { Mesh } from "./mesh.ts";
import type { MeshChange } from "./state/change-log.ts";
import { meshState } from "./state/mesh-state.ts";
import { MemoryStore } from "./stores/memory/memory-store.ts";
import { proxyView } from "./views.ts";

const kube = (name: string, namespace: string, addresses: readonly string[]): string => `
---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ${namespace}}
spec: {clusterIP: 10.96.0.1, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}, namespace: ${namespace}, labels: {kubernetes.io/service-name: ${name}}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [${addresses.map((address) => `{addresses: [${address}]}`).join()}]
`;

const rule = (of: string, namespace: string, exportTo = "*"): string => `
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: rule-${of.replace(/\W/g, "-")}, namespace: ${namespace}}
spec: {host: ${of}, exportTo: ["${exportTo}"], trafficPolicy: {tls: {mode: SIMPLE}}}
`;

/** A mesh with a store, and what it tells of changes. */
function meshOf(yaml: string) {
  const store = new MemoryStore({ clock: new FakeClock(0) });
  const mesh = new Mesh();
  mesh.follow(store);
  const change = (request: {
    readonly set?: string;
    readonly remove?: readonly string[];
  }): void => {
    store.change({
      author: "test",
      message: "",
      set: objectsOf(request.set ?? "").map((object) => ({ object })),
      remove: (request.remove ?? []).map((key) => ({ key })),
    });
  };
  change({ set: yaml });
  const changes: MeshChange[] = [];
  mesh.subscribe((told) => changes.push(told));
  return { mesh, change, changes };
}

const host = (name: string, namespace = "default"): string =>
  `${name}.${namespace}.svc.cluster.local`;

describe("Mesh", () => {
  test("a change of endpoints is told as one, and changes that service's list alone", () => {
    const { mesh, change, changes } = meshOf(
      kube("a", "default", ["10.1.0.1"]) + kube("b", "default", ["10.1.0.2"]),
    );
    const before = proxyView(mesh.state(), nodeOf()).scope;
    change({ set: kube("a", "default", ["10.1.0.1", "10.1.0.3"]) });
    const { scope } = proxyView(mesh.state(), nodeOf());
    const [told] = changes;
    assert.deepEqual(
      [told?.reason, [...(told?.endpointsChanged ?? [])], [...(told?.hostnames ?? [])]],
      ["endpoint", [host("a")], []],
    );
    assert.deepEqual([...(told?.addresses ?? [])], ["default/10.1.0.3"]);
    assert.equal(scope.key, before.key);
    assert.equal(scope.services, before.services);
    const [a, b] = [scope.service(host("a")), scope.service(host("b"))];
    assert.ok(a && b);
    assert.equal(scope.endpoints(b), before.endpoints(b));
    assert.deepEqual(
      scope.endpoints(a).map(({ address }) => address),
      ["10.1.0.1", "10.1.0.3"],
    );
    assert.equal(before.endpoints(a).length, 1, "the state before is as it was");
  });

  test("health alone concerns callers only", () => {
    const { change, changes } = meshOf(kube("a", "default", ["10.1.0.1"]));
    const sick = kube("a", "default", ["10.1.0.1"]).replace(
      "{addresses: [10.1.0.1]}",
      "{addresses: [10.1.0.1], conditions: {ready: false}}",
    );
    change({ set: sick });
    assert.deepEqual(
      changes.map(({ full, endpointsChanged }) => [full, [...endpointsChanged]]),
      [[false, [host("a")]]],
    );
  });

  test("endpoints that a ServiceEntry lists are endpoints like others", () => {
    const entry = (addresses: readonly string[], port = 80): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api}
spec:
  hosts: [api.example]
  resolution: STATIC
  ports: [{number: ${port}, name: http, protocol: HTTP}]
  endpoints: [${addresses.map((address) => `{address: ${address}}`).join()}]
`;
    const { mesh, change, changes } = meshOf(entry(["10.0.0.1"]));
    const before = proxyView(mesh.state(), nodeOf()).scope;
    change({ set: entry(["10.0.0.1", "10.0.0.2"]) });
    const { scope } = proxyView(mesh.state(), nodeOf());
    assert.equal(scope.key, before.key);
    assert.equal(scope.endpoints(scope.services[0] ?? assert.fail()).length, 2);
    assert.deepEqual([...(changes[0]?.hostnames ?? [])], []);
    change({ set: entry(["10.0.0.1"], 81) });
    assert.deepEqual([...(changes[1]?.hostnames ?? [])], ["api.example"]);
  });

  test("endpoints that clusters hold themselves change the scope's key", () => {
    const entry = (address: string): string => `
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: vm}
spec: {address: ${address}, labels: {app: vm}}
`;
    const { mesh, change, changes } = meshOf(`${entry("one.example")}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: vm}
spec:
  hosts: [vm.example]
  resolution: DNS
  ports: [{number: 80, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: vm}}
`);
    const before = proxyView(mesh.state(), nodeOf()).scope;
    change({ set: entry("two.example") });
    assert.equal(changes[0]?.full, true);
    assert.notEqual(proxyView(mesh.state(), nodeOf()).scope.key, before.key);
  });

  test("a scope that a change does not concern is the same object", () => {
    const { mesh, change, changes } = meshOf(
      kube("a", "default", ["10.1.0.1"]) +
        kube("b", "other", ["10.1.0.2"]) +
        rule(host("a"), "default"),
    );
    const scopeIn = (namespace: string, type: "sidecar" | "router" = "sidecar") =>
      proxyView(mesh.state(), nodeOf({ namespace, type })).scope;
    const [mine, theirs] = [scopeIn("default"), scopeIn("other")];
    change({ set: rule(host("b", "other"), "other", ".") });
    assert.equal(changes.at(-1)?.reason, "config");
    assert.equal(scopeIn("default"), mine, "a private rule of another namespace");
    assert.notEqual(scopeIn("other"), theirs);
    change({
      set: `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge}
spec: {hosts: [edge.example], gateways: [istio-system/gateway], http: [{route: [{destination: {host: a}}]}]}
`,
    });
    assert.equal(scopeIn("default"), mine, "routes of gateways");
    change({
      set: `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: third}
spec: {egress: [{hosts: ["./*"]}]}
`,
    });
    assert.equal(scopeIn("default"), mine, "a Sidecar of another namespace");
    assert.equal(scopeIn("third").services.length, 0);
    change({ set: kube("c", "default", []) });
    assert.notEqual(scopeIn("default"), mine);
  });

  test("what Gateways ask of a proxy is the same list until one of them changes", () => {
    const gateway = (name: string, app: string, hosts: string): string => `
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: ${name}}
spec: {selector: {app: ${app}}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [${hosts}]}]}
`;
    const { mesh, change } = meshOf(gateway("one", "edge", "a.example"));
    const servers = (ip: string) =>
      proxyView(
        mesh.state(),
        nodeOf({ type: "router", labels: { app: "edge" }, ipAddresses: [ip] }),
      ).servers;
    const before = servers("10.0.0.1");
    change({ set: kube("a", "default", []) + gateway("two", "other", "a.example") });
    assert.equal(servers("10.0.0.2"), before);
    change({ set: gateway("one", "edge", "b.example") });
    assert.notEqual(servers("10.0.0.1"), before);
  });

  test("what makes no difference is not told", () => {
    const { change, changes } = meshOf(kube("a", "default", ["10.1.0.1"]));
    change({
      set: "apiVersion: networking.istio.io/v1\nkind: WorkloadGroup\nmetadata: {name: group}\nspec: {template: {}}",
    });
    assert.deepEqual(changes, []);
  });

  test("of two stores the first is believed, until it has the object no more", () => {
    const mesh = new Mesh();
    const [first, second] = [0, 1].map(() => new MemoryStore({ clock: new FakeClock(0) }));
    assert.ok(first && second);
    const put = (store: MemoryStore, address: string): void => {
      const set = objectsOf(kube("a", "default", [address])).map((object) => ({ object }));
      store.change({ author: "", message: "", set });
    };
    put(second, "10.0.0.2");
    mesh.follow(second);
    const forget = mesh.follow(first);
    const addresses = (): readonly string[] => {
      const { scope } = proxyView(mesh.state(), nodeOf());
      return scope.services.flatMap((service) =>
        scope.endpoints(service).map(({ address }) => address),
      );
    };
    put(first, "10.0.0.1");
    assert.deepEqual(addresses(), ["10.0.0.2"]);
    second.change({
      author: "",
      message: "",
      remove: second.list().map(({ kind, metadata: { namespace, name } }) => ({
        key: `${kind}/${namespace}/${name}`,
      })),
    });
    assert.deepEqual(addresses(), ["10.0.0.1"]);
    forget();
    assert.deepEqual(addresses(), []);
  });

  test("services of other registries come and go whole", () => {
    const { mesh, changes } = meshOf(kube("a", "default", ["10.1.0.1"]));
    const state = mesh.state();
    const [service] = state.services;
    assert.ok(service);
    const hostname = "b.consul";
    mesh.register("Consul", [
      { service: { ...service, hostname, registry: "Consul", object: undefined }, endpoints: [] },
    ]);
    assert.ok(proxyView(mesh.state(), nodeOf()).scope.service(hostname));
    mesh.register("Consul", []);
    assert.equal(proxyView(mesh.state(), nodeOf()).scope.service(hostname), undefined);
    assert.deepEqual(
      changes.map(({ reason }) => reason),
      ["service", "service"],
    );
  });

  test("a MeshConfig object goes before what Pilot was started with", () => {
    const { mesh, change, changes } = meshOf("");
    change({
      set: "apiVersion: mesh.istio.io/v1alpha1\nkind: MeshConfig\nmetadata: {name: mesh}\nspec: {rootNamespace: top}",
    });
    assert.equal(mesh.state().mesh.rootNamespace, "top");
    assert.equal(changes[0]?.reason, "global");
  });
});

/** Objects that touch each other in every way that the state knows. */
const variants: readonly string[] = [
  ...["", ", exportTo: [.]", ", exportTo: [two]"].map(
    (exportTo) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: entry, namespace: one}
spec: {hosts: [api.example], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], workloadSelector: {labels: {app: api}}${exportTo}}`,
  ),
  `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: other, namespace: two}
spec: {hosts: [api.example, more.example], resolution: DNS, ports: [{number: 81, name: tcp, protocol: TCP}]}`,
  ...["api", "none"].map(
    (app) => `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: vm, namespace: one}
spec: {address: 10.0.0.1, labels: {app: ${app}}}`,
  ),
  ...["api", "web"].map(
    (app) => `
apiVersion: v1
kind: Pod
metadata: {name: pod, namespace: one, labels: {app: ${app}}}
spec: {nodeName: node, containers: [{name: c, ports: [{name: web, containerPort: 7070}]}]}
status: {phase: Running, podIP: 10.0.0.2}`,
  ),
  ...["a", "b"].map(
    (zone) => `
apiVersion: v1
kind: Node
metadata: {name: node, labels: {topology.kubernetes.io/zone: ${zone}}}`,
  ),
  ...["{app: web}", "{app: api}"].map(
    (selector) => `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: one}
spec: {clusterIP: 10.96.0.1, selector: ${selector}, ports: [{name: http, port: 80, targetPort: web}]}`,
  ),
  `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: one, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 7070}]
endpoints: [{addresses: [10.0.0.2], targetRef: {kind: Pod, name: pod, namespace: one}}, {addresses: [10.0.0.3], nodeName: node}]`,
  ...["{uri: {prefix: /a}}", "{sourceLabels: {app: web}}"].map(
    (match) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: root, namespace: one}
spec: {hosts: [web], http: [{match: [${match}], delegate: {name: leaf}}, {route: [{destination: {host: more.example}}]}]}`,
  ),
  ...["web", "api.example"].map(
    (to) => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: leaf, namespace: one}
spec: {http: [{route: [{destination: {host: ${to}}}]}]}`,
  ),
  ...["*", "."].map(
    (exportTo) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: first, namespace: one}
spec: {host: web, exportTo: ["${exportTo}"], subsets: [{name: v1, labels: {version: v1}}]}`,
  ),
  `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: second, namespace: one}
spec: {host: "*.local", trafficPolicy: {tls: {mode: SIMPLE}}}`,
  `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: third, namespace: one}
spec: {host: web, workloadSelector: {matchLabels: {app: web}}, trafficPolicy: {tls: {mode: DISABLE}}}`,
  ...["./*", "*/api.example"].map(
    (hosts) => `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default, namespace: one}
spec: {egress: [{hosts: ["${hosts}"]}]}`,
  ),
  `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: for-web, namespace: one}
spec: {workloadSelector: {labels: {app: web}}, egress: [{port: {number: 80, protocol: HTTP, name: http}, hosts: ["one/*"]}, {hosts: ["*/*"]}]}`,
  ...["80", "81"].map(
    (port) => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gateway, namespace: one}
spec: {selector: {app: gateway}, servers: [{port: {number: ${port}, name: http, protocol: HTTP}, hosts: ["*"]}]}`,
  ),
  `
apiVersion: mesh.istio.io/v1alpha1
kind: MeshConfig
metadata: {name: mesh}
spec: {defaultServiceExportTo: ["."], defaultDestinationRuleExportTo: ["."]}`,
];

const nodes = ["one", "two"].flatMap((namespace) => [
  nodeOf({ namespace, ipAddresses: ["10.0.0.2"] }),
  nodeOf({ namespace, labels: { app: "web" }, ipAddresses: ["10.0.0.1"] }),
  nodeOf({ namespace, type: "router", labels: { app: "gateway" } }),
]);

test("after any changes every proxy sees what it would see had everything been read at once", () => {
  const objects = variants
    .map((yaml) => objectsOf(yaml)[0])
    .filter((object) => object !== undefined);
  assert.equal(objects.length, variants.length);
  const steps = fc.array(
    fc.array(fc.tuple(fc.nat(objects.length - 1), fc.boolean()), { minLength: 1, maxLength: 3 }),
    { maxLength: 15 },
  );
  fc.assert(
    fc.property(steps, (batches) => {
      const store = new MemoryStore({ clock: new FakeClock(0) });
      const mesh = new Mesh();
      mesh.follow(store);
      for (const batch of batches) {
        const set = new Map<string, ConfigObject>();
        const remove = new Set<string>();
        for (const [index, present] of batch) {
          const object = objects[index];
          assert.ok(object);
          const key = `${object.kind}/${object.metadata.namespace}/${object.metadata.name}`;
          set.delete(key);
          remove.delete(key);
          if (present) set.set(key, object);
          else if (store.get(key) !== undefined) remove.add(key);
        }
        store.change({
          author: "",
          message: "",
          set: [...set.values()].map((object) => ({ object })),
          remove: [...remove].map((key) => ({ key })),
        });
        const meshConfig = store.list().find(({ kind }) => kind === "MeshConfig");
        const fresh = meshState({
          objects: store.list(),
          meshConfig: meshConfig?.spec as Parameters<typeof meshState>[0]["meshConfig"],
        });
        for (const node of nodes) {
          assert.deepEqual(
            describeView(proxyView(mesh.state(), node), ["mesh", "one/gateway"]),
            describeView(proxyView(fresh, node), ["mesh", "one/gateway"]),
          );
        }
      }
    }),
    { seed: 11, numRuns: 60 },
  );
});
