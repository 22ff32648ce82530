/** What the areas of the cors filter share. */
import { answer, response } from "../../../testkit/fake-upstream.ts";
import {
  extension,
  type HttpOptions,
  http,
  type JsonObject,
  route,
  virtualHost,
} from "./config.ts";
import type { CaseContext } from "./context.ts";
import type { Scene, Seen } from "./scene.ts";

const filterName = "envoy.filters.http.cors";
const packageName = "envoy.extensions.filters.http.cors.v3";
const filter: JsonObject = extension(filterName, `${packageName}.Cors`);
export const perRoute = (policy: JsonObject): JsonObject => ({
  typed_per_filter_config: {
    [filterName]: { "@type": `type.googleapis.com/${packageName}.CorsPolicy`, ...policy },
  },
});
export const exact = (origin: string): JsonObject => ({ exact: origin });
export const percent = (numerator: number, runtimeKey?: string): JsonObject => ({
  default_value: { numerator, denominator: "HUNDRED" },
  ...(runtimeKey === undefined ? {} : { runtime_key: runtimeKey }),
});

export const friend = "http://friend.example";
export const foe = "http://foe.example";
export const friends: JsonObject = { allow_origin_string_match: [exact(friend)] };
export const everything: JsonObject = {
  ...friends,
  allow_methods: "GET,POST",
  allow_headers: "x-one,x-two",
  expose_headers: "x-seen",
  max_age: "100",
  allow_credentials: true,
};

const unlike = new Set(["date", "server", "x-envoy-upstream-service-time"]);

/** Status, fields and body of the answer, and what the upstream saw of the request. */
export async function ask(
  t: CaseContext,
  method: string,
  { path = "/", fields = [] }: { readonly path?: string; readonly fields?: readonly string[] } = {},
): Promise<readonly string[]> {
  const head = [`${method} ${path} HTTP/1.1`, "host: a.example", ...fields].join("\r\n");
  const got = await t.send(`${head}\r\n\r\n`);
  const answered = got.fields
    .filter(([name]) => !unlike.has(name))
    .map(([name, value]) => `${name}: ${value}`);
  return [String(got.status), ...answered, got.body];
}

export const simple = (t: CaseContext, origin: string, path?: string): Promise<readonly string[]> =>
  ask(t, "GET", { ...(path === undefined ? {} : { path }), fields: [`origin: ${origin}`] });

export const preflight = (
  t: CaseContext,
  origin: string,
  ...more: readonly string[]
): Promise<readonly string[]> =>
  ask(t, "OPTIONS", {
    fields: [`origin: ${origin}`, "access-control-request-method: PUT", ...more],
  });

export const counted = (t: CaseContext, valid: number, invalid: number): Promise<void> =>
  t.stats({
    "http.{case}.cors.origin_valid": valid,
    "http.{case}.cors.origin_invalid": invalid,
  });

export const cors = (
  name: string,
  parts: {
    readonly policy?: JsonObject;
    readonly config?: HttpOptions;
    readonly act: (t: CaseContext) => Promise<Seen>;
    readonly sees: Seen;
    readonly upstream?: Scene["upstream"];
  },
): Scene => ({
  name,
  config: http({
    filters: [filter],
    virtualHosts: [virtualHost("all", ["*"], [route()], perRoute(parts.policy ?? everything))],
    ...parts.config,
  }),
  upstream: parts.upstream ?? answer(response(200, "ok")),
  act: parts.act,
  sees: parts.sees,
});
