import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { nodeOf, objectsOf, viewOf } from "../../testkit/view-of.ts";
import { rulesBehind } from "./provenance.ts";
import { meshState } from "./state/mesh-state.ts";
import { proxyView } from "./views.ts";

const service = (name: string, { namespace = "default", ip = "10.96.0.1" } = {}): string => `
---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ${namespace}}
spec:
  clusterIP: ${ip}
  selector: {app: ${name}}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}-1, namespace: ${namespace}, labels: {kubernetes.io/service-name: ${name}}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.1.0.1], conditions: {ready: true}}, {addresses: [10.1.0.2], conditions: {ready: false}}]
`;

describe("proxyView", () => {
  test("a Kubernetes Service is seen with its endpoints and their health", () => {
    const { scope } = viewOf({ yaml: service("reviews") });
    const found = scope.service("reviews.default.svc.cluster.local");
    assert.ok(found);
    assert.deepEqual(scope.services, [found]);
    assert.deepEqual(found.addresses, ["10.96.0.1"]);
    assert.deepEqual(found.ports, [
      { name: "http", number: 80, protocol: "HTTP", targetPort: 8080 },
    ]);
    const endpoints = scope.endpoints(found);
    assert.deepEqual(
      endpoints.map(({ address, health, ports }) => ({ address, health, ports })),
      [
        { address: "10.1.0.1", health: "healthy", ports: { http: 8080 } },
        { address: "10.1.0.2", health: "unhealthy", ports: { http: 8080 } },
      ],
    );
  });

  test("endpoints belong to the proxy that has the address in the same namespace, with every port", () => {
    const yaml = service("reviews") + service("reviews", { namespace: "other" });
    const { targets } = viewOf({ yaml, node: { ipAddresses: ["10.1.0.1"] } });
    assert.deepEqual(
      targets.map((target) => [target.service.namespace, target.port.number, target.targetPort]),
      [["default", 80, 8080]],
    );
  });

  test("delegates are merged in and every route knows where it was written", () => {
    const { scope } = viewOf({
      yaml: `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: root}
spec:
  hosts: [reviews]
  http:
  - name: r
    match: [{uri: {prefix: /a}}]
    timeout: 1s
    delegate: {name: leaf, namespace: team}
  - route: [{destination: {host: reviews}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: leaf, namespace: team}
spec:
  http:
  - name: l
    match: [{uri: {exact: /a/b}}]
    route: [{destination: {host: reviews}}]
  - match: [{uri: {prefix: /c}}]
    route: [{destination: {host: reviews}}]
`,
    });
    const [rule, ...others] = scope.virtualServices("mesh");
    assert.deepEqual(others, []);
    assert.deepEqual(rule?.spec, {
      hosts: ["reviews.default.svc.cluster.local"],
      gateways: ["mesh"],
      http: [
        {
          name: "r-l",
          timeout: "1s",
          match: [{ uri: { exact: "/a/b" } }],
          route: [{ destination: { host: "reviews.team.svc.cluster.local" } }],
        },
        { route: [{ destination: { host: "reviews.default.svc.cluster.local" } }] },
      ],
    });
    const [merged] = rule?.spec.http ?? [];
    assert.ok(merged);
    assert.deepEqual(
      rulesBehind(merged).map(({ object, keys }) => [object.metadata.name, keys]),
      [
        ["root", ["spec", "http", 0]],
        ["leaf", ["spec", "http", 0]],
      ],
    );
  });

  test("the caller's namespace's DestinationRule goes before the service's, and several for one host are merged", () => {
    const rule = (name: string, namespace: string, extra: string): string => `
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${name}, namespace: ${namespace}}
spec:
  host: reviews.default.svc.cluster.local
  ${extra}
`;
    const yaml =
      service("reviews") +
      rule("one", "default", "subsets: [{name: v1, labels: {version: v1}}]") +
      rule("two", "default", "subsets: [{name: v2}]\n  trafficPolicy: {tls: {mode: SIMPLE}}") +
      rule("theirs", "caller", "subsets: [{name: mine}]");
    const state = meshState({ objects: objectsOf(yaml) });
    const subsetsFor = (namespace: string): readonly (string | undefined)[] => {
      const { scope } = proxyView(state, nodeOf({ namespace }));
      const found = scope.destinationRule("reviews.default.svc.cluster.local");
      return (found?.spec.subsets ?? []).map(({ name }) => name);
    };
    assert.deepEqual(subsetsFor("default"), ["v1", "v2"]);
    assert.deepEqual(subsetsFor("elsewhere"), ["v1", "v2"]);
    assert.deepEqual(subsetsFor("caller"), ["mine"]);
  });

  test("a Sidecar's egress hosts decide which services are seen", () => {
    const yaml = `${service("a")}${service("b", { namespace: "other" })}${service("c", { namespace: "third" })}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: default}
spec: {egress: [{hosts: ["./*", "other/b.other.svc.cluster.local"]}]}
`;
    const { scope } = viewOf({ yaml });
    assert.deepEqual(
      scope.services.map(({ name }) => name),
      ["a", "b"],
    );
    const { scope: third } = viewOf({ yaml, node: { namespace: "third" } });
    assert.equal(third.services.length, 3);
  });

  test("a gateway that shares its host listens where its metadata says", () => {
    const { servers } = viewOf({
      yaml: `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: one}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}
  - {port: {number: 9443, name: tcp, protocol: TCP}, hosts: ["*"]}
`,
      node: {
        type: "router",
        labels: { istio: "ingressgateway" },
        metadata: { HEDDLE_INBOUND: [{ servicePort: 8080, port: 9080, appPort: 9080 }] },
      },
    });
    assert.deepEqual(
      servers.map(({ port, bind, servers: [first] }) => [port, bind, first?.routeName]),
      [
        [9080, "127.0.0.1", "http.9080"],
        [9443, "", undefined],
      ],
    );
  });

  test("Gateways that select the proxy are merged by port, named as Istio names them", () => {
    const yaml = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: one, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ["a.example"]}
  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: ["a.example"], tls: {mode: SIMPLE, credentialName: a}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: two, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ["./b.example"]}
  - {port: {number: 80, name: tcp, protocol: TCP}, hosts: ["*"]}
`;
    const { servers } = viewOf({
      yaml,
      node: { type: "router", namespace: "istio-system", labels: { istio: "ingressgateway" } },
    });
    assert.deepEqual(
      servers.map(({ port, servers: list }) => [
        port,
        list.map(({ gateway, routeName, server }) => [gateway, routeName, server.hosts]),
      ]),
      [
        [
          80,
          [
            ["istio-system/one", "http.80", ["a.example"]],
            ["shop/two", "http.80", ["shop/b.example"]],
          ],
        ],
        [443, [["istio-system/one", "https.443.https.one.istio-system", ["a.example"]]]],
      ],
    );
  });

  test("proxies that differ in nothing a rule looks at share one scope", () => {
    const state = meshState({ objects: objectsOf(service("reviews")) });
    const one = proxyView(state, nodeOf({ labels: { pod: "1" }, ipAddresses: ["10.0.0.1"] }));
    const two = proxyView(state, nodeOf({ labels: { pod: "2" }, ipAddresses: ["10.0.0.2"] }));
    assert.equal(one.scope, two.scope);
  });

  test("a proxy's labels count as far as some rule looks at them", () => {
    const labels = { app: "web", version: "v1", zone: "a", rack: "7", node: "x", unused: "1" };
    const rules = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: v}
spec: {hosts: [a.example], http: [{match: [{sourceLabels: {app: web}}], route: [{destination: {host: a.example}}]}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: d}
spec:
  host: a.example
  workloadSelector: {matchLabels: {version: v1}}
  trafficPolicy:
    loadBalancer: {localityLbSetting: {failoverPriority: [zone, "other=1"]}}
    outlierDetection: {}
    portLevelSettings: [{port: {number: 80}, loadBalancer: {localityLbSetting: {failoverPriority: [rack]}}}]
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: s}
spec: {workloadSelector: {labels: {node: x}}, egress: [{hosts: ["*/*"]}]}
---
apiVersion: v1
kind: Service
metadata: {name: near}
spec: {clusterIP: 10.0.0.1, trafficDistribution: PreferSameNode, ports: [{name: http, port: 80}]}
`;
    const { scope } = viewOf({ yaml: rules, node: { labels, metadata: { NODE_NAME: "m1" } } });
    assert.deepEqual(scope.labels, {
      app: "web",
      "kubernetes.io/hostname": "m1",
      node: "x",
      rack: "7",
      version: "v1",
      zone: "a",
    });
  });
});
