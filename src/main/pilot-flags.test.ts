import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePilotFlags } from "./pilot-flags.ts";

test("Istio's defaults", () => {
  assert.deepEqual(parsePilotFlags([]), {
    grpcAddr: { host: undefined, port: 15_010 },
    httpAddr: { host: undefined, port: 8080 },
    configDirs: [],
    stateDir: undefined,
    meshConfig: undefined,
    domain: "cluster.local",
    clusterId: "Kubernetes",
    shutdownMs: 10_000,
    debounceAfterMs: 100,
    debounceMaxMs: 10_000,
    pushThrottle: 100,
    logLevel: "info",
    logFormat: "text",
  });
});

test("flags are read", () => {
  const flags = parsePilotFlags(
    "--grpcAddr [::1]:0 --configDir a --configDir b --debounceAfter 1.5s --httpAddr=127.0.0.1:9".split(
      " ",
    ),
  );
  assert.ok(!("exit" in flags));
  assert.deepEqual(flags.grpcAddr, { host: "::1", port: 0 });
  assert.deepEqual(flags.httpAddr, { host: "127.0.0.1", port: 9 });
  assert.deepEqual(flags.configDirs, ["a", "b"]);
  assert.equal(flags.debounceAfterMs, 1500);
});

for (const [argument, reason] of [
  ["--grpcAddr=15010", /must be host:port/],
  ["--grpcAddr=:70000", /must be host:port/],
  ["--shutdownDuration=10", /such as 100ms or 10s/],
  ["--pushThrottle=0", /above 0/],
  ["--kubeconfig=x", /--kubeconfig: Kubernetes is not supported yet/],
  ["--secureGRPCAddr=:15012", /TLS towards proxies is not supported yet/],
  ["--nonsense", /unknown option '--nonsense'/],
] as const)
  test(`${argument} is refused`, () => {
    const refused = parsePilotFlags([argument]);
    assert.ok("exit" in refused);
    assert.equal(refused.exit, 64);
    assert.equal(refused.stream, "stderr");
    assert.match(refused.output, reason);
  });
