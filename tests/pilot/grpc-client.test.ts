/** A gRPC client without a proxy (@grpc/grpc-js-xds) hangs on Pilot: Istio's rules hold for its calls too. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TextMesh } from "../../testkit/pilot-mesh.ts";
import { startClient, startService } from "../xds/grpc-peers.ts";
import { startPilot } from "./start-pilot.ts";

const endpoint = (version: string, port: number): string =>
  `  - {address: 127.0.0.1, ports: {grpc: ${port}}, labels: {version: ${version}}}`;

const services = (one: number, two: number): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: names}
spec:
  hosts: [names.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 7070, name: grpc, protocol: GRPC}]
  endpoints:
${endpoint("v1", one)}
${endpoint("v2", two)}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: names}
spec:
  host: names
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
---`;

const to = (subset: string, weight = 100): string =>
  `{destination: {host: names, subset: ${subset}}, weight: ${weight}}`;

const rule = (http: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: names}
spec:
  hosts: [names]
  http: [{${http}}]
---`;

const node = {
  id: "sidecar~10.9.9.9~client.default~default.svc.cluster.local",
  metadata: { GENERATOR: "grpc", NAMESPACE: "default" },
};

for (const target of ["names.default.svc.cluster.local:7070", "names:7070"])
  test(`xds:///${target} goes where rules say, and follows them`, async (t) => {
    const world = services(await startService(t, "v1"), await startService(t, "v2"));
    const mesh = new TextMesh(world + rule(`route: [${to("v1")}]`));
    const { pilot, port } = await startPilot(t, mesh);
    const call = startClient(t, port, { target: `xds:///${target}`, node });
    for (let count = 0; count < 5; count++) assert.equal(await call(), "v1");

    mesh.set(world + rule(`route: [${to("v2")}]`));
    while ((await call()) !== "v2");

    mesh.set(world + rule(`route: [${to("v1", 50)}, ${to("v2", 50)}]`));
    const seen = new Set<string>();
    while (!seen.has("v1") || !seen.has("v2")) seen.add(await call());
    assert.deepEqual((await pilot.acknowledged(pilot.revision, 60_000)).refused, []);
  });
