import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type {
  HTTPMatchRequestJson,
  HTTPRouteJson,
} from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import type { VirtualService } from "../view.ts";
import { mergeDelegates } from "./delegates.ts";

const object = (
  name: string,
  spec: VirtualService["spec"],
  namespace = "default",
): VirtualService => ({
  apiVersion: "networking.istio.io/v1",
  kind: "VirtualService",
  metadata: {
    name,
    namespace,
    labels: {},
    annotations: {},
    creationMs: 0,
    resourceVersion: "",
  },
  spec,
});

function merged(
  root: HTTPRouteJson,
  ...routes: readonly HTTPRouteJson[]
): readonly HTTPRouteJson[] {
  const leaf = object("leaf", { http: [...routes] });
  const whole = mergeDelegates(
    object("root", { hosts: ["a.example"], http: [{ ...root, delegate: { name: "leaf" } }] }),
    { find: (_, name) => (name === "leaf" ? leaf : undefined), defaultExportTo: ["*"] },
  );
  return whole.spec.http ?? [];
}

const route = [{ destination: { host: "a.example" } }];

/** Whether a delegate's match may stand under a root's. */
function compatible(root: HTTPMatchRequestJson, leaf: HTTPMatchRequestJson): boolean {
  return merged({ match: [root] }, { match: [leaf], route }).length === 1;
}

describe("mergeDelegates", () => {
  const cases: readonly [HTTPMatchRequestJson, HTTPMatchRequestJson, boolean, string][] = [
    [{ uri: { prefix: "/a" } }, { uri: { prefix: "/a/b" } }, true, "a longer prefix"],
    [{ uri: { prefix: "/a/b" } }, { uri: { prefix: "/a" } }, false, "a shorter prefix"],
    [{ uri: { prefix: "/a" } }, { uri: { exact: "/a/b" } }, true, "a path under the prefix"],
    [{ uri: { prefix: "/a" } }, { uri: { exact: "/b" } }, false, "a path beside the prefix"],
    [{ uri: { exact: "/a" } }, { uri: { exact: "/a" } }, true, "the same path"],
    [{ uri: { exact: "/a" } }, { uri: { prefix: "/a" } }, false, "a prefix under a path"],
    [{ uri: { regex: "/a.*" } }, { uri: { exact: "/ab" } }, false, "anything under a pattern"],
    [{ uri: { prefix: "/a" } }, { uri: { regex: "/ab*" } }, false, "a pattern under anything"],
    [{ uri: { prefix: "/a" } }, {}, true, "nothing said by the delegate"],
    [{}, { uri: { regex: "/a" } }, true, "nothing said by the root"],
    [
      { headers: { a: { exact: "1" } } },
      { headers: { b: { exact: "2" } } },
      true,
      "different headers",
    ],
    [
      { headers: { a: { exact: "1" } } },
      { headers: { a: { exact: "2" } } },
      false,
      "one header, other values",
    ],
    [
      { withoutHeaders: { a: { exact: "1" } } },
      { withoutHeaders: { a: { exact: "2" } } },
      false,
      "one absent header, other values",
    ],
    [
      { queryParams: { a: { exact: "1" } } },
      { queryParams: { a: { exact: "2" } } },
      false,
      "one parameter, other values",
    ],
    [{ method: { exact: "GET" } }, { method: { exact: "PUT" } }, false, "another method"],
    [{ ignoreUriCase: true }, {}, false, "case counts for one of them"],
    [{ port: 80 }, { port: 81 }, false, "another port"],
    [{ port: 80 }, {}, true, "one port"],
    [{ sourceNamespace: "a" }, {}, false, "callers of the root's namespace only"],
    [{}, { sourceNamespace: "a" }, true, "callers of the delegate's namespace only"],
    [{ sourceLabels: { a: "1" } }, { sourceLabels: { b: "1" } }, true, "other labels"],
    [{ sourceLabels: { a: "1" } }, { sourceLabels: { a: "2" } }, false, "a label's other value"],
    [{ gateways: ["x", "y"] }, { gateways: ["x"] }, true, "one of the root's gateways"],
    [{ gateways: ["x"] }, { gateways: ["y"] }, false, "another gateway"],
  ];
  for (const [root, leaf, expected, name] of cases) {
    test(`${name}: ${expected ? "is merged" : "drops the route"}`, () => {
      assert.equal(compatible(root, leaf), expected);
    });
  }

  test("each of the delegate's matches is joined with each of the root's that it is compatible with", () => {
    const roots = [
      { name: "r1", uri: { prefix: "/a" }, headers: { x: { exact: "1" } } },
      { name: "r2", uri: { prefix: "/b" } },
      { name: "r3", uri: { prefix: "/a" }, sourceLabels: { app: "web" } },
    ];
    const leaf = { name: "l", uri: { prefix: "/a/b" }, headers: { y: {} }, statPrefix: "s" };
    const [result] = merged({ match: roots }, { match: [leaf], route });
    assert.deepEqual(result?.match, [
      { ...leaf, name: "r1-l", headers: { x: { exact: "1" }, y: {} } },
      { ...leaf, name: "r3-l", sourceLabels: { app: "web" } },
    ]);
  });

  test("a match that is compatible with none drops its whole route, and no other", () => {
    const root = { match: [{ uri: { prefix: "/a" } }] };
    const result = merged(
      root,
      { name: "1", match: [{ uri: { prefix: "/a/1" } }, { uri: { prefix: "/b" } }], route },
      { name: "2", match: [{ uri: { prefix: "/a/2" } }], route },
    );
    assert.deepEqual(
      result.map(({ name }) => name),
      ["2"],
    );
  });

  test("what the delegate leaves open comes from the root, and nothing else does", () => {
    const root: HTTPRouteJson = {
      name: "root",
      timeout: "1s",
      retries: { attempts: 1 },
      rewrite: { uri: "/root" },
      headers: { request: { set: { a: "root" } } },
      mirror: { host: "mirror.example" },
      fault: { abort: { httpStatus: 500 } },
    };
    const [result] = merged(root, { timeout: "2s", headers: {}, route });
    assert.deepEqual(result, {
      name: "root",
      timeout: "2s",
      retries: { attempts: 1 },
      rewrite: { uri: "/root" },
      headers: {},
      mirror: { host: "mirror.example" },
      fault: { abort: { httpStatus: 500 } },
      route,
    });
  });

  test("a delegate that is absent, not exported to the root's namespace, or delegates itself gives no route", () => {
    const root = object(
      "root",
      {
        hosts: ["a.example"],
        http: [
          { delegate: { name: "absent" } },
          { delegate: { name: "private", namespace: "other" } },
          { delegate: { name: "again" } },
          { name: "own", route },
        ],
      },
      "default",
    );
    const others: Readonly<Record<string, VirtualService>> = {
      "other/private": object("private", { exportTo: ["."], http: [{ route }] }, "other"),
      "default/again": object("again", { http: [{ delegate: { name: "x" } }] }),
    };
    const { spec } = mergeDelegates(root, {
      find: (namespace, name) => others[`${namespace}/${name}`],
      defaultExportTo: ["*"],
    });
    assert.deepEqual(
      spec.http?.map(({ name }) => name),
      ["own"],
    );
  });
});
