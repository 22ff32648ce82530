import type { ConfigObject } from "#model/object.ts";
import type { ConnectedProxy } from "./connected-proxy.ts";
import { adsz, configDump, endpointz, syncz } from "./debug.ts";
import { explainz } from "./explainz.ts";
import type { LiveMesh } from "./live-mesh.ts";
import { pushStatus } from "./problem-log.ts";

export interface PilotRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly body: string;
}

export interface PilotAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

export interface HttpSources {
  readonly mesh: LiveMesh;
  readonly version: string;
  proxies(): Iterable<ConnectedProxy>;
  objects(): readonly ConfigObject[];
  metrics(): string;
}

type Page = (query: URLSearchParams, sources: HttpSources) => PilotAnswer;

const pages: ReadonlyMap<string, Page> = new Map<string, Page>([
  ["/ready", (_query, { mesh }) => (mesh.synced ? text(200, "ready") : text(503, "not synced"))],
  ["/version", (_query, { version }) => text(200, version)],
  [
    "/metrics",
    (_query, { metrics }) => ({
      status: 200,
      contentType: "text/plain; version=0.0.4; charset=utf-8",
      body: metrics(),
    }),
  ],
  ["/debug", index],
  ["/debug/", index],
  ["/debug/syncz", (_query, { proxies }) => json(syncz(proxies()))],
  ["/debug/adsz", (_query, { proxies }) => json(adsz(proxies()))],
  ["/debug/configz", (_query, sources) => json(sources.objects().map(withoutSecrets))],
  ["/debug/registryz", (_query, { mesh }) => json(mesh.state().services)],
  ["/debug/endpointz", (_query, { mesh }) => json(endpointz(mesh.state()))],
  ["/debug/push_status", (_query, { proxies }) => json(pushStatus(proxies()))],
  ["/debug/mesh", (_query, { mesh }) => json(mesh.state().mesh)],
  ["/debug/config_dump", dump],
  ["/debug/explainz", explain],
]);

/** Health, metrics and `/debug`; undefined: no such page. */
export function answerPage(
  { method, path }: PilotRequest,
  sources: HttpSources,
): PilotAnswer | undefined {
  const [name = "", query = ""] = path.split("?", 2);
  const page = pages.get(name);
  if (page === undefined) return undefined;
  if (method !== "GET" && method !== "HEAD") return text(405, `${name} is read with GET`);
  return page(new URLSearchParams(query), sources);
}

function index(): PilotAnswer {
  return text(200, [...pages.keys()].filter((name) => name.startsWith("/debug/")).join("\n"));
}

function dump(query: URLSearchParams, sources: HttpSources): PilotAnswer {
  return ofProxy("config_dump", query, sources, configDump);
}

/** Our own: what `heddle explain` asks for. */
function explain(query: URLSearchParams, sources: HttpSources): PilotAnswer {
  return ofProxy("explainz", query, sources, explainz);
}

function ofProxy(
  page: string,
  query: URLSearchParams,
  { proxies }: HttpSources,
  make: (proxy: ConnectedProxy) => object | undefined,
): PilotAnswer {
  const id = query.get("proxyID") ?? "";
  if (id === "")
    return text(400, `which proxy? /debug/${page}?proxyID=<node id or name.namespace>`);
  const proxy = [...proxies()].find(({ node }) => node.id === id || node.name === id);
  if (proxy === undefined)
    return text(
      404,
      `no proxy ${JSON.stringify(id)} is connected; /debug/syncz lists those that are`,
    );
  const made = make(proxy);
  return made === undefined ? text(503, `nothing was sent to ${proxy.id} yet`) : json(made);
}

function withoutSecrets(object: ConfigObject): object {
  const { apiVersion, kind, metadata, spec } = object;
  return kind === "Secret"
    ? { apiVersion, kind, metadata, spec: "[redacted]" }
    : { apiVersion, kind, metadata, spec };
}

function json(value: unknown): PilotAnswer {
  return {
    status: 200,
    contentType: "application/json",
    body: `${JSON.stringify(value, undefined, 2)}\n`,
  };
}

export function text(status: number, message: string): PilotAnswer {
  return { status, contentType: "text/plain; charset=utf-8", body: `${message}\n` };
}
