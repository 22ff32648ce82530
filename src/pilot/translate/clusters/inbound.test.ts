import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ConfigObject } from "#model/object.ts";
import { byName, hostname, reviews } from "../../../../testkit/pilot-clusters.ts";
import {
  aDestinationRule,
  anEndpoint,
  aScope,
  aView,
  servicePort,
} from "../../../../testkit/pilot-view.ts";
import type { OutboundScope, Sidecar } from "../../view.ts";

describe("a workload's own ports", () => {
  const target = { service: reviews, port: servicePort({ number: 80 }), targetPort: 9080 };
  const targets = [{ ...target, endpoint: anEndpoint({ address: "10.0.0.1" }) }];

  function sidecar(spec: Sidecar["spec"]): Partial<OutboundScope> {
    const object: ConfigObject<Sidecar["spec"]> = {
      ...aDestinationRule({}, "own"),
      kind: "Sidecar",
      spec,
    };
    return { sidecar: object };
  }

  test("go where the caller was going, from the address that is let through", () => {
    const made = byName(aView(aScope([]), { targets }))["inbound|9080||"];
    assert.partialDeepStrictEqual(made, {
      type: "ORIGINAL_DST",
      lbPolicy: "CLUSTER_PROVIDED",
      cleanupInterval: "9223372035s",
      upstreamBindConfig: { sourceAddress: { address: "127.0.0.6", portValue: 0 } },
      metadata: { filterMetadata: { istio: { services: [{ host: hostname }] } } },
    });
    assert.equal(made?.commonLbConfig?.healthyPanicThreshold, undefined);
  });

  test("go to the loopback if the mesh wants it so", () => {
    const mesh = { inboundTrafficPolicy: { mode: "LOCALHOST" } } as const;
    const made = byName(aView(aScope([], { mesh }), { targets }))["inbound|9080||"];
    assert.equal(made?.type, "STATIC");
    assert.equal(made?.upstreamBindConfig, undefined);
    assert.match(JSON.stringify(made?.loadAssignment), /"address":"127.0.0.1","portValue":9080/);
  });

  test("are those of the Sidecar, if it lists any", () => {
    const ingress = (defaultEndpoint: string) => ({ port: { number: 7000 }, defaultEndpoint });
    const address = (defaultEndpoint: string) => {
      const scope = aScope([], sidecar({ ingress: [ingress(defaultEndpoint)] }));
      const made = byName(aView(scope, { targets }));
      assert.equal(made["inbound|9080||"], undefined);
      const cluster = made["inbound|7000||"];
      return [
        cluster?.loadAssignment?.endpoints?.[0]?.lbEndpoints?.[0]?.endpoint?.address,
        cluster?.upstreamBindConfig !== undefined,
      ];
    };
    const socket = (ip: string, portValue: number) => ({
      socketAddress: { address: ip, portValue },
    });
    assert.deepEqual(address("127.0.0.1:8080"), [socket("127.0.0.1", 8080), false]);
    assert.deepEqual(address("0.0.0.0:8080"), [socket("10.0.0.1", 8080), true]);
    assert.deepEqual(address("[::1]:8080"), [socket("127.0.0.1", 8080), false]);
    assert.deepEqual(address("unix:///tmp/app"), [{ pipe: { path: "/tmp/app" } }, false]);
    assert.deepEqual(address(""), [undefined, true]);
  });

  test("without interception exist only by a Sidecar or by the node's own list", () => {
    const scope = aScope([], { interceptionMode: "NONE" });
    const view = aView(scope, { targets });
    assert.equal(byName(view)["inbound|9080||"], undefined);
    const inbound = [{ servicePort: 80, port: 41000, appPort: 42000 }];
    const node = { ...view.node, metadata: { HEDDLE_INBOUND: inbound } };
    const made = byName({ ...view, node })["inbound|80||"];
    assert.equal(made?.upstreamBindConfig, undefined);
    assert.match(JSON.stringify(made?.loadAssignment), /"address":"127.0.0.1","portValue":42000/);
  });

  test("take the limits of the Sidecar's port, of the Sidecar, of the callers' rule", () => {
    const limit = (maxConnections: number) => ({ tcp: { maxConnections } });
    const rule = aDestinationRule({
      host: hostname,
      trafficPolicy: { connectionPool: limit(3), loadBalancer: { simple: "RANDOM" } },
    });
    const limitOf = (scope: Partial<OutboundScope>) => {
      const made = byName(aView(aScope([{ service: reviews, rule }], scope), { targets }));
      return made["inbound|9080||"]?.circuitBreakers?.thresholds?.[0]?.maxConnections;
    };
    const own = { port: { number: 9080 }, connectionPool: limit(1) };
    assert.equal(limitOf(sidecar({ ingress: [own], inboundConnectionPool: limit(2) })), 1);
    assert.equal(limitOf(sidecar({ inboundConnectionPool: limit(2) })), 2);
    assert.equal(limitOf({}), 3);
  });
});
