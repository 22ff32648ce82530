import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeScope, fakeService, fakeView } from "../../../../testkit/outbound-scope.ts";
import { routeProblems } from "./problems.ts";

const reviews = fakeService("reviews", [9080], { addresses: ["10.1.0.1"] });
const rule = (name: string): string => `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}, namespace: default}
spec: {hosts: [${reviews.hostname}], http: [{directResponse: {status: 200}}]}
`;

test("a rule whose host an older one has is named", () => {
  const scope = fakeScope({ services: [reviews], yaml: rule("first") + rule("second") });
  assert.deepEqual(routeProblems(fakeView(scope)), [
    {
      metric: "pilot_vservice_dup_domain",
      route: "9080",
      message:
        "VirtualService default/second has no effect on reviews.default.svc.cluster.local:9080: an older rule or service has this host",
    },
  ]);
});

test("so are names of a service that another one has", () => {
  const other = fakeService("other", [9080], { addresses: ["10.1.0.1"] });
  const scope = fakeScope({ services: [reviews, other] });
  assert.deepEqual(
    routeProblems(fakeView(scope)).map(({ message }) => message),
    [
      "a service does not get the names 10.1.0.1 of other.default.svc.cluster.local:9080: an older rule or service has them",
    ],
  );
});

test("without either there is none", () => {
  assert.deepEqual(routeProblems(fakeView(fakeScope({ services: [reviews] }))), []);
});
