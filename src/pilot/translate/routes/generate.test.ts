import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeScope, fakeService, fakeView } from "../../../../testkit/outbound-scope.ts";
import { generateRoutes } from "./generate.ts";

const services = [fakeService("reviews", [9080, "auto:7000", "TCP:3306"])];

test("all routes are those that listeners could ask for", () => {
  const view = fakeView(fakeScope({ services, mesh: { proxyHttpPort: 15002 } }));
  assert.deepEqual(
    generateRoutes(view, "all").map(({ name }) => name),
    ["7000", "9080", "http_proxy", "reviews.default.svc.cluster.local:7000"],
  );
});

test("what no listener has is empty, not absent", () => {
  const view = fakeView(fakeScope({ services }));
  assert.deepEqual(generateRoutes(view, new Set(["nonsense", "unix:///x"])), [
    { name: "nonsense", validateClusters: false },
    { name: "unix:///x", validateClusters: false },
  ]);
});

test("proxies that share a scope share its routes", () => {
  const scope = fakeScope({ services });
  const [one] = generateRoutes(fakeView(scope), new Set(["9080"]));
  const [other] = generateRoutes(fakeView(scope), new Set(["9080"]));
  assert.equal(one, other);
});

test("attempts are counted unless the proxy's own configuration or the mesh's says otherwise", () => {
  const attemptCount = { attemptCount: { disabled: true } };
  const counted = (view: ReturnType<typeof fakeView>): boolean | undefined =>
    generateRoutes(view, new Set(["9080"]))[0]?.virtualHosts?.[0]?.includeRequestAttemptCount;
  const scope = fakeScope({ services });
  assert.equal(counted(fakeView(scope)), true);
  const metadata = { PROXY_CONFIG: { proxyHeaders: attemptCount } };
  const node = { ...fakeView(scope).node, metadata };
  assert.equal(counted(fakeView(scope, { node })), undefined);
  const mesh = { defaultConfig: { proxyHeaders: attemptCount } };
  assert.equal(counted(fakeView(fakeScope({ services, mesh }))), undefined);
});
