import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Endpoint, Service } from "#model/service.ts";
import { nodeOf, objectsOf } from "../../../../testkit/view-of.ts";
import { meshState } from "../../state/mesh-state.ts";
import { proxyView } from "../../views.ts";

const service = (spec: string, metadata = ""): string => `
---
apiVersion: v1
kind: Service
metadata: {name: api${metadata}}
spec: {${spec}}
`;

const pod = (
  name: string,
  address: string,
  { labels = "app: api", spec = "", status = "" } = {},
): string => `
---
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {${labels}}}
spec: {nodeName: node-1, serviceAccountName: robot${spec}}
status: {phase: Running, podIP: ${address}${status}}
`;

const slice = (endpoints: string, ports = "{name: http, port: 8080}", name = "api-1"): string => `
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}, labels: {kubernetes.io/service-name: api}}
addressType: IPv4
ports: [${ports}]
endpoints: [${endpoints}]
`;

function seen(yaml: string): {
  readonly service: Service;
  readonly endpoints: readonly Endpoint[];
} {
  const { scope } = proxyView(meshState({ objects: objectsOf(yaml) }), nodeOf());
  const [found] = scope.services;
  assert.ok(found);
  return { service: found, endpoints: scope.endpoints(found) };
}

const one = "clusterIP: 10.96.0.1, ports: [{name: http, port: 80, targetPort: 8080}]";

describe("Kubernetes Services", () => {
  test("addresses, ports and protocols", () => {
    const ports = [
      "{name: http, port: 80}",
      "{name: web, port: 81}",
      "{name: grpc-x, port: 82}",
      "{name: any, port: 83, appProtocol: kubernetes.io/h2c}",
      "{name: http-x, port: 84, appProtocol: https}",
      "{name: dns, port: 53, protocol: UDP}",
      "{name: db, port: 3306}",
    ];
    const { service: found } = seen(
      service(`clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, "fd00::1"], ports: [${ports.join()}]`),
    );
    assert.deepEqual(found.addresses, ["10.96.0.1", "fd00::1"]);
    assert.deepEqual(
      found.ports.map(({ protocol }) => protocol),
      ["HTTP", "auto", "GRPC", "HTTP2", "HTTPS", "UDP", "TCP"],
    );
    assert.deepEqual(
      [found.resolution, found.headless, found.meshExternal, found.hostname],
      ["static", false, false, "api.default.svc.cluster.local"],
    );
  });

  test("headless ones are dialled where the caller goes; ExternalName is another's name", () => {
    const headless = seen(service("clusterIP: None, ports: [{name: http, port: 80}]")).service;
    assert.deepEqual(
      [headless.resolution, headless.headless, headless.addresses],
      ["passthrough", true, []],
    );
    const alias = seen(
      service("type: ExternalName, externalName: Api.example, ports: [{name: http, port: 80}]"),
    ).service;
    assert.deepEqual([alias.resolution, alias.externalName], ["alias", "api.example"]);
  });

  test("slices: ready, not ready, going, and gone; in two slices at once it is there once", () => {
    const state = (conditions: string, last: number): string =>
      `{addresses: [10.1.0.${last}], conditions: {${conditions}}}`;
    const { endpoints } = seen(
      service(one) +
        slice(
          [
            state("ready: true", 1),
            state("", 2),
            state("ready: false", 3),
            state("ready: false, serving: true, terminating: true", 4),
            state("ready: false, serving: false, terminating: true", 5),
          ].join(),
        ) +
        slice(state("ready: true", 1), "{name: http, port: 8080}", "api-2"),
    );
    assert.deepEqual(
      endpoints.map(({ address, health, ports }) => [address, health, ports["http"]]),
      [
        ["10.1.0.1", "healthy", 8080],
        ["10.1.0.2", "healthy", 8080],
        ["10.1.0.3", "unhealthy", 8080],
        ["10.1.0.4", "draining", 8080],
        ["10.1.0.5", "terminating", 8080],
      ],
    );
  });

  test("publishNotReadyAddresses: what is not ready is called all the same", () => {
    const { endpoints } = seen(
      service(`${one}, publishNotReadyAddresses: true`) +
        slice("{addresses: [10.1.0.1], conditions: {ready: false}}"),
    );
    assert.equal(endpoints[0]?.health, "healthy");
  });

  test("behind an address stands its Pod: labels, account, and where its Node is", () => {
    const { endpoints } = seen(
      service(one) +
        slice(
          "{addresses: [10.1.0.1], targetRef: {kind: Pod, name: api-1}}, {addresses: [10.1.0.2]}",
        ) +
        pod("api-1", "10.1.0.1", { labels: 'app: api, topology.istio.io/network: "n2"' }) +
        pod("by-address", "10.1.0.2", { labels: "istio-locality: r.z.s" }) +
        `
---
apiVersion: v1
kind: Node
metadata: {name: node-1, labels: {topology.kubernetes.io/region: r1, topology.kubernetes.io/zone: z1, topology.istio.io/subzone: s1}}
---
apiVersion: v1
kind: Namespace
metadata: {name: default, labels: {topology.istio.io/network: n1}}
`,
    );
    assert.deepEqual(
      endpoints.map(({ locality, network, serviceAccount, workloadName, clusterId }) => ({
        ...{ locality, network, serviceAccount, workloadName, clusterId },
      })),
      [
        {
          locality: { region: "r1", zone: "z1", subZone: "s1" },
          network: "n2",
          serviceAccount: "robot",
          workloadName: "api-1",
          clusterId: "Kubernetes",
        },
        {
          locality: { region: "r", zone: "z", subZone: "s" },
          network: "n1",
          serviceAccount: "robot",
          workloadName: "by-address",
          clusterId: "Kubernetes",
        },
      ],
    );
  });

  test("an address without a Pod stands where its Node or the slice's zone says", () => {
    const { endpoints } = seen(
      service(one) + slice("{addresses: [10.1.0.1], zone: z9, hostname: api-0}"),
    );
    assert.deepEqual(endpoints[0]?.locality, { region: "", zone: "z9", subZone: "" });
    assert.equal(endpoints[0]?.hostname, "api-0");
  });

  test("Endpoints count when there are no slices", () => {
    const old = `
---
apiVersion: v1
kind: Endpoints
metadata: {name: api}
subsets: [{addresses: [{ip: 10.1.0.1}], notReadyAddresses: [{ip: 10.1.0.2}], ports: [{name: http, port: 8080}]}]
`;
    assert.deepEqual(
      seen(service(one) + old).endpoints.map(({ address, health }) => [address, health]),
      [
        ["10.1.0.1", "healthy"],
        ["10.1.0.2", "unhealthy"],
      ],
    );
    const both = seen(service(one) + old + slice("{addresses: [10.1.0.9]}"));
    assert.deepEqual(
      both.endpoints.map(({ address }) => address),
      ["10.1.0.9"],
    );
  });

  test("without both, the Pods that it selects; named target ports are the Pod's own", () => {
    const { endpoints } = seen(
      service(
        "clusterIP: 10.96.0.1, selector: {app: api}, ports: [{name: http, port: 80, targetPort: web}, {name: other, port: 81, targetPort: absent}]",
      ) +
        pod("api-1", "10.1.0.1", {
          spec: ", containers: [{name: c, ports: [{name: web, containerPort: 7070}]}]",
        }) +
        pod("other", "10.1.0.2", { labels: "app: other" }) +
        pod("sick", "10.1.0.3", { status: ', conditions: [{type: Ready, status: "False"}]' }) +
        pod("done", "10.1.0.4").replace("Running", "Succeeded"),
    );
    assert.deepEqual(
      endpoints.map(({ address, health, ports }) => [address, health, ports]),
      [
        ["10.1.0.1", "healthy", { http: 7070 }],
        ["10.1.0.3", "unhealthy", {}],
      ],
    );
  });

  test("a selector takes WorkloadEntries beside the Pods; no selector takes none", () => {
    const entry = `
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: vm}
spec: {address: 10.2.0.1, labels: {app: api}, ports: {http: 9090}, weight: 3}
`;
    const selecting = one.replace("ports", "selector: {app: api}, ports");
    const { endpoints } = seen(service(selecting) + slice("{addresses: [10.1.0.1]}") + entry);
    assert.deepEqual(
      endpoints.map(({ address, ports, weight }) => [address, ports["http"], weight]),
      [
        ["10.1.0.1", 8080, 0],
        ["10.2.0.1", 9090, 3],
      ],
    );
    assert.deepEqual(seen(service(one) + entry).endpoints, []);
  });

  test("a draining label empties a workload", () => {
    const { endpoints } = seen(
      service(one) +
        slice("{addresses: [10.1.0.1]}") +
        pod("api-1", "10.1.0.1", { labels: 'app: api, istio.io/draining: "true"' }),
    );
    assert.equal(endpoints[0]?.health, "draining");
  });

  test("Secrets are decoded", () => {
    const state = meshState({
      objects: objectsOf(`
apiVersion: v1
kind: Secret
metadata: {name: tls, namespace: edge}
data: {tls.crt: Y2VydA==}
stringData: {tls.key: key}
`),
    });
    const view = proxyView(state, nodeOf());
    const secret = view.secret("tls", "edge");
    assert.deepEqual(
      Object.entries(secret ?? {}).map(([key, bytes]) => [key, Buffer.from(bytes).toString()]),
      [
        ["tls.crt", "cert"],
        ["tls.key", "key"],
      ],
    );
    assert.equal(view.secret("tls", "default"), undefined);
  });
});
