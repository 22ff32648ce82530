import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import {
  firstOf,
  hostname,
  httpOptions,
  reviews,
  ruled,
} from "../../../../testkit/pilot-clusters.ts";
import { aDestinationRule, aService, type Seen } from "../../../../testkit/pilot-view.ts";

describe("TLS towards a service", () => {
  const context = (made: ClusterJson): unknown => {
    const { "@type": _type, ...rest } = made.transportSocket?.typedConfig ?? {};
    return rest;
  };
  const tlsParams = {
    tlsMinimumProtocolVersion: "TLSv1_2",
    tlsMaximumProtocolVersion: "TLSv1_3",
  };

  test("checks the request's host when no name is given", () => {
    const made = ruled({ tls: { mode: "SIMPLE", caCertificates: "/ca.pem" } });
    assert.deepEqual(context(made), {
      commonTlsContext: { tlsParams, validationContext: { trustedCa: { filename: "/ca.pem" } } },
    });
    assert.deepEqual(httpOptions(made), {
      upstreamHttpProtocolOptions: { autoSni: true, autoSanValidation: true },
      explicitHttpConfig: { httpProtocolOptions: {} },
    });
  });

  test("checks the names of the rule, or of the ServiceEntry", () => {
    const tls = { mode: "MUTUAL", sni: "a", clientCertificate: "/c", privateKey: "/k" } as const;
    const service = aService({ hostname, subjectAltNames: ["spiffe://x/y"] });
    const rule = aDestinationRule({ host: hostname, trafficPolicy: { tls } });
    const made = firstOf({ service, rule });
    assert.deepEqual(context(made), {
      commonTlsContext: {
        tlsParams,
        tlsCertificates: [{ certificateChain: { filename: "/c" }, privateKey: { filename: "/k" } }],
        validationContext: {
          matchTypedSubjectAltNames: [{ sanType: "URI", matcher: { exact: "spiffe://x/y" } }],
          systemRootCerts: {},
        },
      },
      sni: "a",
    });
    assert.deepEqual(httpOptions(made), {});
  });

  test("offers HTTP/2 where it is spoken", () => {
    const made = ruled({
      tls: { mode: "SIMPLE", insecureSkipVerify: true, sni: "a" },
      connectionPool: { http: { h2UpgradePolicy: "UPGRADE" } },
    });
    assert.deepEqual(context(made), {
      commonTlsContext: { tlsParams, validationContext: {}, alpnProtocols: ["h2"] },
      sni: "a",
    });
  });

  test("takes secrets by name on gateways, and for the sidecars that a rule selects", () => {
    const tls = { mode: "SIMPLE", credentialName: "partner" } as const;
    const rule = aDestinationRule({ host: hostname, trafficPolicy: { tls } });
    const secret = /"name":"kubernetes:\/\/partner-cacert"/;
    const socket = (seen: Seen, type: "sidecar" | "router") =>
      JSON.stringify(firstOf(seen, { type }).transportSocket ?? null);
    assert.equal(socket({ service: reviews, rule }, "sidecar"), "null");
    assert.match(socket({ service: reviews, rule }, "router"), secret);
    const selecting = aDestinationRule({ ...rule.spec, workloadSelector: { matchLabels: {} } });
    assert.match(socket({ service: reviews, rule: selecting }, "sidecar"), secret);
  });

  test("goes inside of the PROXY protocol", () => {
    const made = ruled({ tls: { mode: "SIMPLE" }, proxyProtocol: { version: "V2" } });
    assert.partialDeepStrictEqual(context(made), {
      config: { version: "V2" },
      transportSocket: { name: "envoy.transport_sockets.tls" },
    });
    const plain = ruled({ proxyProtocol: {} });
    assert.partialDeepStrictEqual(context(plain), {
      transportSocket: { name: "envoy.transport_sockets.raw_buffer" },
    });
  });
});
