import assert from "node:assert/strict";
import { answer, response } from "../../testkit/fake-upstream.ts";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { extension, http, type JsonObject, route, toCluster } from "./harness/config.ts";

const type = "envoy.extensions.filters.http.on_demand.v3";
const onDemand = (config: JsonObject = {}): JsonObject =>
  extension("envoy.filters.http.on_demand", `${type}.OnDemand`, config);
const perRoute = {
  typed_per_filter_config: {
    "envoy.filters.http.on_demand": { "@type": `type.googleapis.com/${type}.PerRouteConfig` },
  },
};
const upstream = answer(response(200, "ok"));

const cases: readonly ParityCase[] = [
  {
    name: "with routes of the configuration a request passes",
    config: http({
      filters: [onDemand()],
      routes: [route({ prefix: "/a" }, { ...toCluster(), ...perRoute })],
    }),
    upstream,
    run: async (t) => {
      const got = await t.send("POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi");
      assert.equal(`${got.status} ${got.body}`, "200 ok");
      assert.equal(t.upstream().requests[0]?.body, "hi");
    },
  },
  {
    name: "without a route the answer is 404: nobody can be asked for one",
    config: http({ filters: [onDemand()], routes: [route({ prefix: "/a" })] }),
    upstream,
    run: async (t) => {
      assert.equal((await t.get("/b")).status, 404);
      assert.equal(await t.logLine(), "404 NR route_not_found");
    },
  },
];

parityArea("filter-on-demand", cases);
