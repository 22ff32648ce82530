import assert from "node:assert/strict";
import { test } from "node:test";
import { localPortsMax, localPortsOf } from "./local-ports.ts";

test("metadata without ports leaves Istio's rules alone", () => {
  assert.equal(localPortsOf({ NAMESPACE: "default" }), undefined);
});

test("addresses default to the loopback", () => {
  const ports = localPortsOf({
    HEDDLE_INBOUND: [{ servicePort: 9080, port: 40001, appPort: 40002 }],
    HEDDLE_HTTP_PROXY: { port: 40003 },
    HEDDLE_OUTBOUND: [{ host: "Ratings", port: 9080, bindPort: 40004, bind: "127.0.0.2" }],
  });
  assert.deepEqual(ports, {
    inbound: [
      {
        servicePort: 9080,
        bind: "127.0.0.1",
        port: 40001,
        appAddress: "127.0.0.1",
        appPort: 40002,
      },
    ],
    outbound: [{ host: "ratings", port: 9080, bind: "127.0.0.2", bindPort: 40004 }],
    httpProxy: { bind: "127.0.0.1", port: 40003 },
    problems: [],
  });
});

test("what is not understood is left out and named", () => {
  const ports = localPortsOf({
    HEDDLE_INBOUND: [
      { servicePort: 9080, port: 0, appPort: 1 },
      "9080",
      { servicePort: 80, port: 1, appPort: 2 },
      { servicePort: 80, port: 3, appPort: 4, bind: 5 },
    ],
    HEDDLE_OUTBOUND: { host: "ratings" },
    HEDDLE_HTTP_PROXY: 15002,
  });
  assert.equal(ports?.inbound.length, 1);
  assert.deepEqual(ports?.outbound, []);
  assert.equal(ports?.httpProxy, undefined);
  assert.deepEqual(ports?.problems, [
    "HEDDLE_INBOUND[1]: an object is expected",
    "HEDDLE_INBOUND[0].port: a port from 1 to 65535 is expected",
    "HEDDLE_INBOUND[3].bind: an IP address is expected, 127.0.0.1 is used",
    "HEDDLE_INBOUND: service port 80 is there twice, the first is used",
    "HEDDLE_OUTBOUND: a list is expected",
    "HEDDLE_HTTP_PROXY[0]: an object is expected",
  ]);
});

test("a list has a limit", () => {
  const many = Array.from({ length: localPortsMax + 1 }, (_, index) => ({
    host: "a",
    port: 80,
    bindPort: index + 1,
  }));
  const ports = localPortsOf({ HEDDLE_OUTBOUND: many });
  assert.equal(ports?.outbound.length, localPortsMax);
  assert.match(ports?.problems[0] ?? "", /only the first 1024/);
});
