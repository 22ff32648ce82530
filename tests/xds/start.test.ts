/** A proxy that is told to end while it waits for its control plane. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { heddle } from "../parity/harness/sides.ts";

test("a proxy whose control plane says nothing ends when it is told to", async (t) => {
  const server = createServer((socket) => {
    // The proxy has begun to ask.
    socket.on("error", () => undefined).once("data", () => child.kill("SIGTERM"));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  // Proof: it listens on TCP.
  const { port: portValue } = server.address() as AddressInfo;
  const address = { socketAddress: { address: "127.0.0.1", portValue } };
  const source = { ads: {}, resourceApiVersion: "V3", initialFetchTimeout: "0s" };
  const http2 = {
    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    explicitHttpConfig: { http2ProtocolOptions: {} },
  };
  const grpcServices = [{ envoyGrpc: { clusterName: "xds" } }];
  const bootstrap = {
    node: { id: "a", cluster: "b" },
    dynamicResources: {
      adsConfig: { apiType: "DELTA_GRPC", transportApiVersion: "V3", grpcServices },
      cdsConfig: source,
    },
    staticResources: {
      clusters: [
        {
          name: "xds",
          typedExtensionProtocolOptions: {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2,
          },
          loadAssignment: {
            clusterName: "xds",
            endpoints: [{ lbEndpoints: [{ endpoint: { address } }] }],
          },
        },
      ],
    },
  };
  const [command = "", ...before] = heddle.command();
  const child = spawn(command, [...before, "--config-yaml", JSON.stringify(bootstrap)], {
    stdio: "ignore",
  });
  t.after(() => child.kill("SIGKILL"));
  const [code] = await once(child, "exit");
  assert.equal(code, 0);
});
