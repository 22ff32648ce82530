import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import { chooseBalancer } from "./list.ts";

const policy = (
  type: string,
  more: object = {},
): NonNullable<ClusterJson["loadBalancingPolicy"]> => ({
  policies: [
    {
      typedExtensionConfig: {
        name: type,
        typedConfig: {
          "@type": `type.googleapis.com/envoy.extensions.load_balancing_policies.${type}`,
          ...more,
        },
      },
    },
  ],
});

test("ROUND_ROBIN is the default", () => {
  assert.equal(chooseBalancer({}).factory?.policy, "ROUND_ROBIN");
});

test("an extension wins over lb_policy and brings its own locality weights", () => {
  const chosen = chooseBalancer({
    lbPolicy: "RANDOM",
    loadBalancingPolicy: policy("least_request.v3.LeastRequest", {
      choiceCount: 3,
      localityLbConfig: { localityWeightedLbConfig: {} },
    }),
  });
  assert.equal(chosen.factory?.policy, "LEAST_REQUEST");
  assert.equal(chosen.config?.choiceCount, 3);
  assert.equal(chosen.localityWeighted, true);
});

test("of several extensions the first known one is taken", () => {
  const known = policy("random.v3.Random").policies ?? [];
  const unknown = policy("pick_first.v3.PickFirst").policies ?? [];
  const chosen = chooseBalancer({ loadBalancingPolicy: { policies: [...unknown, ...known] } });
  assert.equal(chosen.factory?.policy, "RANDOM");
});

test("what is not there is refused", () => {
  assert.throws(
    () => chooseBalancer({ lbPolicy: "LOAD_BALANCING_POLICY_CONFIG" }),
    /LOAD_BALANCING_POLICY_CONFIG is not supported/,
  );
  assert.throws(
    () => chooseBalancer({ loadBalancingPolicy: policy("pick_first.v3.PickFirst") }),
    /none of the policies/,
  );
});

test("CLUSTER_PROVIDED and ORIGINAL_DST need each other", () => {
  assert.throws(() => chooseBalancer({ lbPolicy: "CLUSTER_PROVIDED" }), /did not provide one/);
  assert.throws(() => chooseBalancer({ type: "ORIGINAL_DST" }), /CLUSTER_PROVIDED/);
  assert.equal(
    chooseBalancer({ type: "ORIGINAL_DST", lbPolicy: "CLUSTER_PROVIDED" }).factory,
    undefined,
  );
});
