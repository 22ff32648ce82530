import { answer, response } from "../../testkit/fake-upstream.ts";
import { parityArea } from "./harness/area.ts";
import {
  extension,
  type HttpOptions,
  http,
  type JsonObject,
  route,
  toCluster,
  virtualHost,
} from "./harness/config.ts";
import type { CaseContext } from "./harness/context.ts";
import { type Scene, type Seen, scene } from "./harness/scene.ts";

const filterName = "envoy.filters.http.set_metadata";
const typeName = "envoy.extensions.filters.http.set_metadata.v3.Config";
const filter = (config: JsonObject): JsonObject => extension(filterName, typeName, config);
const perRoute = (config: JsonObject): JsonObject => ({
  typed_per_filter_config: {
    [filterName]: { "@type": `type.googleapis.com/${typeName}`, ...config },
  },
});
const entry = (value: JsonObject, more: JsonObject = {}): JsonObject => ({
  metadata_namespace: "ns",
  value,
  ...more,
});
const over: JsonObject = { allow_overwrite: true };

const byKey = (value: unknown): unknown =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(
        Object.entries(value)
          .sort(([one], [other]) => (one < other ? -1 : 1))
          .map(([key, inner]) => [key, byKey(inner)]),
      )
    : value;
const sorted = (line: string): string =>
  line
    .split("|")
    .map((text) => (text === "-" ? text : JSON.stringify(byKey(JSON.parse(text)))))
    .join(" ");

async function each(t: CaseContext, ...paths: readonly string[]): Promise<Seen> {
  for (const path of paths) await t.get(path);
  const denied = await t.stat("http.{case}.set_metadata.overwrite_denied");
  return [...(await t.log(paths.length)).map(sorted), `${denied} denied`];
}

interface Parts {
  readonly config?: JsonObject;
  readonly options?: HttpOptions;
  readonly paths?: readonly string[];
  readonly sees: Seen;
}

const metadata = (name: string, { config = {}, options, paths = ["/"], sees }: Parts): Scene => ({
  name,
  config: http({
    logFormat: "%DYNAMIC_METADATA(ns)%|%DYNAMIC_METADATA(other)%",
    filters: [filter(config)],
    ...options,
  }),
  upstream: answer(response(200, "ok")),
  act: (t) => each(t, ...paths),
  sees,
});

const everything: JsonObject = {
  text: "a",
  number: 1.5,
  truth: true,
  nothing: null,
  list: ["a", 1],
  object: { a: 1, deep: { x: [1] } },
};

const scenes: readonly Scene[] = [
  metadata("every kind of value", {
    config: { metadata: [entry(everything)] },
    sees: [
      '{"list":["a",1],"nothing":null,"number":1.5,"object":{"a":1,"deep":{"x":[1]}},"text":"a","truth":true} -',
      "0 denied",
    ],
  }),
  metadata("the older form", {
    config: { metadata_namespace: "ns", value: everything },
    sees: [
      '{"list":["a",1],"nothing":null,"number":1.5,"object":{"a":1,"deep":{"x":[1]}},"text":"a","truth":true} -',
      "0 denied",
    ],
  }),
  metadata("the older form without namespace, or without value, does nothing", {
    options: {
      filters: [filter({ value: everything }), filter({ metadata_namespace: "ns" })],
    },
    sees: ["- -", "0 denied"],
  }),
  metadata("the older form comes first, and may overwrite", {
    options: {
      filters: [
        filter({ metadata: [entry({ a: "first", f: 1 })] }),
        filter({
          metadata_namespace: "ns",
          value: { a: "old", o: 1 },
          metadata: [entry({ b: "new" }), entry({ c: "newer" }, over)],
        }),
      ],
    },
    sees: ['{"a":"old","c":"newer","f":1,"o":1} -', "1 denied"],
  }),
  metadata("what is there stays unless it may be overwritten", {
    config: {
      metadata: [
        entry({ a: 1 }),
        entry({ a: 2, b: 2 }),
        entry({ x: 1 }, { metadata_namespace: "other" }),
        entry({ c: 3 }, over),
        entry({ a: 4 }),
      ],
    },
    paths: ["/", "/"],
    sees: ['{"a":1,"c":3} {"x":1}', '{"a":1,"c":3} {"x":1}', "4 denied"],
  }),
  metadata("values merge: scalars give way, lists are joined, objects merge", {
    config: {
      metadata: [
        entry(everything),
        entry(
          {
            text: "b",
            number: 2,
            truth: false,
            nothing: null,
            list: ["b", ["c"]],
            object: { b: 2, deep: { x: [2], y: 1 } },
            added: 1,
          },
          over,
        ),
      ],
    },
    sees: [
      '{"added":1,"list":["a",1,"b",["c"]],"nothing":null,"number":2,"object":{"a":1,"b":2,"deep":{"x":[1,2],"y":1}},"text":"b","truth":false} -',
      "0 denied",
    ],
  }),
  metadata("values of another kind", {
    config: {
      metadata: [
        entry(everything),
        entry(
          {
            text: 1,
            number: "a",
            truth: ["x"],
            nothing: "something",
            list: { a: 1 },
            object: ["x"],
          },
          over,
        ),
      ],
    },
    sees: [
      '{"list":{"a":1},"nothing":"something","number":"a","object":["x"],"text":1,"truth":["x"]} -',
      "0 denied",
    ],
  }),
  metadata("null and objects", {
    config: {
      metadata: [
        entry({ a: { x: 1 }, b: [1], c: null, d: null }),
        entry({ a: null, b: null, c: { y: 1 }, d: [2] }, over),
      ],
    },
    sees: ['{"a":null,"b":null,"c":{"y":1},"d":[2]} -', "0 denied"],
  }),
  metadata("an empty value makes a namespace", {
    config: { metadata: [entry({}), entry({ a: 1 })] },
    sees: ["{} -", "1 denied"],
  }),
  metadata("an entry without value", {
    config: { metadata: [{ metadata_namespace: "ns" }, entry({ a: 1 })] },
    sees: ['{"a":1} -', "0 denied"],
  }),
  metadata("routes", {
    config: { metadata: [entry({ listener: 1 })] },
    options: {
      virtualHosts: [
        virtualHost(
          "all",
          ["*"],
          [
            route(
              { prefix: "/route" },
              {
                ...toCluster(),
                ...perRoute({ metadata: [entry({ route: 1 }), entry({ more: 1 }, over)] }),
              },
            ),
            route({ prefix: "/empty" }, { ...toCluster(), ...perRoute({}) }),
            route(),
          ],
          perRoute({ metadata: [entry({ host: 1 }, over)] }),
        ),
      ],
    },
    paths: ["/route", "/empty", "/"],
    sees: [
      '{"listener":1,"more":1} -',
      '{"listener":1} -',
      '{"host":1,"listener":1} -',
      "0 denied",
    ],
  }),
  metadata("beside what another filter found", {
    options: {
      filters: [
        extension(
          "envoy.filters.http.header_to_metadata",
          "envoy.extensions.filters.http.header_to_metadata.v3.Config",
          {
            request_rules: [
              {
                header: ":path",
                on_header_present: { metadata_namespace: "ns", key: "path" },
              },
            ],
          },
        ),
        filter({ metadata: [entry({ a: 1 }), entry({ b: 1 }, over)] }),
      ],
    },
    sees: ['{"b":1,"path":"/"} -', "1 denied"],
  }),
];

parityArea("filter-set-metadata", scenes.map(scene));
