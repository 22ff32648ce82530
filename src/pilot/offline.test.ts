import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { offlineMesh, offlineNode, offlineView } from "./offline.ts";

const entry = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api}
spec:
  hosts: [api.example]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: DNS
`;

describe("offline", () => {
  test("files and a node make a view", () => {
    const { state, problems } = offlineMesh({ files: [{ name: "a.yaml", text: entry }] });
    assert.deepEqual(problems, []);
    assert.ok(state);
    const named = offlineNode("sidecar~10.0.0.1~app.default~default.svc.cluster.local");
    assert.ok("node" in named);
    const { scope } = offlineView(state, named.node);
    assert.deepEqual(
      scope.services.map(({ hostname, resolution }) => [hostname, resolution]),
      [["api.example", "dns"]],
    );
  });

  test("every problem is named with its place, and then there is no state", () => {
    const text = `${entry.replace("resolution: DNS", "resolution: DSN")}---\n${entry.replace("hosts", "host")}`;
    const { state, problems } = offlineMesh({ files: [{ name: "a.yaml", text }] });
    assert.equal(state, undefined);
    const [first, second] = problems;
    assert.match(first ?? "", /^a\.yaml:8:15 ServiceEntry\/default\/api spec\.resolution: /);
    assert.match(second ?? "", /^a\.yaml:\d+:3 ServiceEntry\/default\/api spec\.host: /);
  });

  test("the mesh's configuration may stand in Istio's ConfigMap", () => {
    const text = `
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    rootNamespace: mesh-root
`;
    const { state } = offlineMesh({ files: [{ name: "cm.yaml", text }] });
    assert.equal(state?.mesh.rootNamespace, "mesh-root");
    assert.equal(state?.mesh.connectTimeout, "10s");
  });
});
