import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Endpoint, Service } from "#model/service.ts";
import { nodeOf, objectsOf } from "../../../../testkit/view-of.ts";
import { meshState } from "../../state/mesh-state.ts";
import { proxyView } from "../../views.ts";

const entry = (spec: string, labels = ""): string => `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api, labels: {${labels}}}
spec:
  hosts: [api.example]
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}, {number: 81, name: tcp, protocol: TCP}]
${spec
  .trim()
  .split("\n")
  .map((line) => `  ${line.trim()}`)
  .join("\n")}
`;

const workload = (name: string, spec: string, metadata = "", status = ""): string => `
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: ${name}${metadata}}
spec: {labels: {app: api}, ${spec}}
${status}
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

const selecting = "resolution: STATIC\nworkloadSelector: {labels: {app: api}}";

describe("ServiceEntries", () => {
  test("each host is a service; location and resolution say how it is reached", () => {
    const yaml = entry("resolution: DNS\nlocation: MESH_INTERNAL").replace(
      "[api.example]",
      "[Api.example, b.example, api.example]",
    );
    const state = meshState({ objects: objectsOf(yaml) });
    assert.deepEqual(
      state.services.map(({ hostname, resolution, meshExternal, registry }) => [
        ...[hostname, resolution, meshExternal, registry],
      ]),
      [
        ["api.example", "dns", false, "External"],
        ["b.example", "dns", false, "External"],
      ],
    );
    const resolutions = ["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN"].map(
      (name) => seen(entry(`resolution: ${name}\naddresses: [10.9.9.9]`)).service.resolution,
    );
    assert.deepEqual(resolutions, ["passthrough", "static", "dns", "dns-round-robin"]);
    assert.equal(seen(entry("resolution: DNS")).service.meshExternal, true);
  });

  test("an endpoint's port: its own for the name, else the target port, else the number", () => {
    const { endpoints } = seen(
      entry(`resolution: STATIC
        endpoints: [{address: 10.0.0.1, ports: {http: 9000}}, {address: 10.0.0.2}, {address: "unix:///run/api.sock"}]`),
    );
    assert.deepEqual(
      endpoints.map(({ address, ports }) => [address, ports]),
      [
        ["10.0.0.1", { http: 9000, tcp: 81 }],
        ["10.0.0.2", { http: 8080, tcp: 81 }],
        ["unix:///run/api.sock", { http: 0, tcp: 0 }],
      ],
    );
  });

  test("an endpoint says where it is, what it weighs and whose it is", () => {
    const { endpoints } = seen(
      entry(`resolution: STATIC
        endpoints: [{address: 10.0.0.1, locality: r/z/s, weight: 7, network: n, serviceAccount: robot, labels: {version: v1}}]`),
    );
    assert.deepEqual(endpoints, [
      {
        address: "10.0.0.1",
        ports: { http: 8080, tcp: 81 },
        labels: { version: "v1" },
        locality: { region: "r", zone: "z", subZone: "s" },
        weight: 7,
        health: "healthy",
        namespace: "default",
        serviceAccount: "robot",
        network: "n",
        clusterId: "",
        workloadName: "",
      },
    ]);
  });

  test("with DNS and no endpoints the host itself is looked up, unless it is a wildcard", () => {
    const found = (spec: string, host = "api.example"): readonly unknown[] =>
      seen(entry(spec).replace("[api.example]", `["${host}"]`)).endpoints.map(
        ({ address, ports }) => [address, ports["http"]],
      );
    assert.deepEqual(found("resolution: DNS"), [["api.example", 8080]]);
    assert.deepEqual(found("resolution: DNS\nendpoints: [{address: other.example}]"), [
      ["other.example", 8080],
    ]);
    assert.deepEqual(found("resolution: NONE"), []);
    assert.deepEqual(found("resolution: NONE", "*.example"), []);
  });

  test("selected WorkloadEntries and Pods of its namespace; a Pod's own port names are not the service's", () => {
    const { endpoints } = seen(
      entry(selecting) +
        workload("vm", "address: 10.0.0.1, ports: {tcp: 9001}") +
        workload("elsewhere", "address: 10.0.0.2", ", namespace: other") +
        workload("unknown", "network: far") +
        `
---
apiVersion: v1
kind: Pod
metadata: {name: pod, labels: {app: api}}
spec: {containers: [{name: c, ports: [{name: tcp, containerPort: 7}]}]}
status: {phase: Running, podIP: 10.0.0.3}
`,
    );
    assert.deepEqual(
      endpoints.map(({ address, ports, workloadName }) => [address, ports, workloadName]),
      [
        ["10.0.0.3", { http: 8080, tcp: 81 }, "pod"],
        ["10.0.0.1", { http: 8080, tcp: 9001 }, "vm"],
      ],
    );
  });

  test("a WorkloadEntry's health: what its status says, and unknown is unhealthy when somebody looks", () => {
    const looked = ', annotations: {proxy.istio.io/health-checks-enabled: "true"}';
    const status = (value: string): string =>
      `status: {conditions: [{type: Healthy, status: "${value}"}]}`;
    const health = (metadata: string, said = ""): string | undefined =>
      seen(entry(selecting) + workload("vm", "address: 10.0.0.1", metadata, said)).endpoints[0]
        ?.health;
    assert.equal(health(""), "healthy");
    assert.equal(health(looked), "unhealthy");
    assert.equal(health(looked, status("True")), "healthy");
    assert.equal(health("", status("False")), "unhealthy");
    assert.equal(health(', labels: {istio.io/draining: "true"}'), "draining");
  });

  test("an address is given to a service that has none and can be looked up", () => {
    const auto = (spec: string, labels = ""): string | undefined =>
      seen(entry(spec, labels)).service.autoAddress;
    assert.match(auto("resolution: STATIC") ?? "", /^240\.240\.\d+\.\d+$/);
    assert.equal(auto("resolution: STATIC"), auto("resolution: DNS"), "it stays with the host");
    assert.equal(auto("resolution: STATIC\naddresses: [10.9.9.9]"), undefined);
    assert.equal(auto("resolution: NONE"), undefined);
    const label = "networking.istio.io/enable-autoallocate-ip";
    assert.equal(auto("resolution: STATIC", `${label}: "false"`), undefined);
  });
});
