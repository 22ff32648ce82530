import type { LocatedProblem } from "#config/config-file-error.ts";
import { formatPath } from "#config/place.ts";
import { type ConfigObject, objectKey } from "#model/object.ts";

export interface NotEnforced extends LocatedProblem {
  /** `kind/namespace/name` */
  readonly object: string;
}

/** Kinds that are read and checked, and that nothing is made of: whoever writes one believes that it protects or changes something. */
const kinds: Readonly<Record<string, string>> = {
  AuthorizationPolicy: "nothing is denied by it",
  PeerAuthentication: "calls between programs are plain text",
  RequestAuthentication: "no token is looked at",
  EnvoyFilter: "it patches nothing",
  ProxyConfig:
    "it takes effect when a pod is injected, and nothing injects; MeshConfig.defaultConfig and the node's own PROXY_CONFIG count",
  Telemetry: "it changes nothing that is observed",
  WasmPlugin: "nothing is loaded",
  TrafficExtension: "nothing is loaded",
};

type Keys = readonly (string | number)[];

/** What of an object Heddle does not do yet, and must not be taken for done; each at its place. */
export function notEnforced(object: ConfigObject): readonly NotEnforced[] {
  const why = kinds[object.kind];
  if (why !== undefined)
    return [problem(object, ["kind"], `is not supported by Heddle yet: ${why}`)];
  const mutual =
    "is not supported by Heddle yet: there is no certificate authority, and calls would be plain text";
  return mutualModes(object.spec, ["spec"]).map((keys) =>
    problem(object, keys, `ISTIO_MUTUAL ${mutual}`),
  );
}

/** Every `tls.mode` that needs identities, of clients and of servers. */
function mutualModes(value: unknown, keys: Keys): readonly Keys[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const here = [...keys, Array.isArray(value) ? Number(key) : key];
    if (key === "mode" && inner === "ISTIO_MUTUAL") return [here];
    return mutualModes(inner, here);
  });
}

function problem(object: ConfigObject, keys: Keys, message: string): NotEnforced {
  const { name: file = "the request" } = object.source ?? {};
  const { line, column } = object.source?.positionOf(keys) ?? { line: 1, column: 1 };
  return { file, line, column, path: formatPath(keys), message, object: objectKey(object) };
}
