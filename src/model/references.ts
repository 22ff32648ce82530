/**
 * What objects say of each other: names that lead nowhere, and rules of which only one can count. Only warnings, because the other object
 * may be in another file; what no file at hand has any of is not missed.
 */

import { formatPath } from "#config/place.ts";
import type { DestinationRuleJson } from "#gen/istio/networking/v1alpha3/destination_rule_pb.js";
import type { GatewayJson } from "#gen/istio/networking/v1alpha3/gateway_pb.js";
import type { ServiceEntryJson } from "#gen/istio/networking/v1alpha3/service_entry_pb.js";
import type {
  DestinationJson,
  VirtualServiceJson,
} from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import type { ObjectProblem } from "./documents.ts";
import { HostTable, overlap, resolveHost } from "./hostname.ts";
import type { Keys } from "./kinds/report.ts";
import { byAge, type ConfigObject, objectKey } from "./object.ts";

/** Of services; a proxy may have another, which files do not say. */
const domain = "cluster.local";

export function referenceWarnings(objects: readonly ConfigObject[]): readonly ObjectProblem[] {
  const mesh = new Mesh(objects);
  for (const object of mesh.virtualServices) {
    checkGateways(object, mesh);
    checkDelegates(object, mesh);
    for (const { keys, destination } of destinationsOf(object.spec)) {
      checkDestination({ object, keys, destination }, mesh);
    }
  }
  warnOfRivals(mesh);
  warnOfDoubles(objects, mesh);
  return mesh.warnings;
}

type VirtualService = ConfigObject<VirtualServiceJson>;

class Mesh {
  readonly virtualServices: readonly VirtualService[];
  readonly gateways: ReadonlyMap<string, ConfigObject<GatewayJson>>;
  /** The subsets of each host's rules. */
  readonly subsets = new HostTable<Set<string>>();
  readonly hosts = new HostTable<true>();
  readonly knowsServices: boolean;
  readonly warnings: ObjectProblem[] = [];

  constructor(objects: readonly ConfigObject[]) {
    // Of each kind the spec was decoded by the kind's own message.
    const of = <S>(kind: string): ConfigObject<S>[] =>
      objects.filter((object) => object.kind === kind) as ConfigObject<S>[];
    this.virtualServices = of<VirtualServiceJson>("VirtualService");
    this.gateways = new Map(
      of<GatewayJson>("Gateway").map((gateway) => [
        `${gateway.metadata.namespace}/${gateway.metadata.name}`,
        gateway,
      ]),
    );
    for (const { metadata, spec } of of<DestinationRuleJson>("DestinationRule")) {
      const host = resolveHost(spec.host ?? "", { namespace: metadata.namespace, domain });
      const known = this.subsets.get(host) ?? new Set();
      for (const { name = "" } of spec.subsets ?? []) known.add(name);
      this.subsets.set(host, known);
    }
    const services = of("Service");
    const entries = of<ServiceEntryJson>("ServiceEntry");
    for (const { metadata } of services) {
      this.hosts.set(`${metadata.name}.${metadata.namespace}.svc.${domain}`, true);
    }
    for (const { spec } of entries) for (const host of spec.hosts ?? []) this.hosts.set(host, true);
    this.knowsServices = services.length > 0;
  }

  warn(object: ConfigObject, keys: Keys, message: string): void {
    const { line, column } = object.source?.positionOf(keys) ?? { line: 1, column: 1 };
    const file = object.source?.name ?? "";
    const path = formatPath(keys);
    this.warnings.push({ file, line, column, path, message, object: objectKey(object) });
  }
}

function gatewayName(name: string, { metadata }: VirtualService): string {
  if (name.includes("/")) return name;
  const [gateway = "", namespace = metadata.namespace] = name.split(".");
  return `${namespace}/${gateway}`;
}

function checkGateways(object: VirtualService, mesh: Mesh): void {
  if (mesh.gateways.size === 0) return;
  const { gateways = [], hosts = [] } = object.spec;
  const found: ConfigObject<GatewayJson>[] = [];
  for (const [index, name] of gateways.entries()) {
    if (name === "mesh") continue;
    const gateway = mesh.gateways.get(gatewayName(name, object));
    if (gateway !== undefined) found.push(gateway);
    else {
      mesh.warn(
        object,
        ["spec", "gateways", index],
        `there is no Gateway ${gatewayName(name, object)}`,
      );
    }
  }
  if (found.length === 0 || found.length < gateways.length) return;
  for (const [index, host] of hosts.entries()) {
    if (!found.some((gateway) => serves(gateway, host, object.metadata.namespace))) {
      const message = `"${host}" is none of the hosts of ${gateways.join(", ")}`;
      mesh.warn(object, ["spec", "hosts", index], message);
    }
  }
}

/** `namespace/host` of its servers lets the rule's namespace and host in. */
function serves(
  { metadata, spec }: ConfigObject<GatewayJson>,
  host: string,
  from: string,
): boolean {
  return (spec.servers ?? []).some(({ hosts = [] }) =>
    hosts.some((text) => {
      const slash = text.indexOf("/");
      const namespace = slash < 0 ? "*" : text.slice(0, slash);
      const own = namespace === "." ? metadata.namespace : namespace;
      return (own === "*" || own === from) && overlap(text.slice(slash + 1), host);
    }),
  );
}

function checkDelegates(object: VirtualService, mesh: Mesh): void {
  const delegates = mesh.virtualServices.filter(({ spec }) => (spec.hosts ?? []).length === 0);
  if (delegates.length === 0) return;
  for (const [index, { delegate }] of (object.spec.http ?? []).entries()) {
    if (delegate === undefined) continue;
    const { name, namespace = object.metadata.namespace } = delegate;
    const known = delegates.some(
      ({ metadata }) => metadata.name === name && metadata.namespace === namespace,
    );
    if (!known) {
      const message = `there is no VirtualService ${namespace}/${name} without hosts`;
      mesh.warn(object, ["spec", "http", index, "delegate"], message);
    }
  }
}

interface Named {
  readonly keys: Keys;
  readonly destination: DestinationJson;
}

function destinationsOf(spec: VirtualServiceJson): readonly Named[] {
  const named: Named[] = [];
  const add = (keys: Keys, destination: DestinationJson | undefined): void => {
    if (destination !== undefined) named.push({ keys, destination });
  };
  for (const [index, route] of (spec.http ?? []).entries()) {
    const here = ["spec", "http", index];
    add([...here, "mirror"], route.mirror);
    for (const field of ["route", "mirrors"] as const) {
      for (const [place, { destination }] of (route[field] ?? []).entries()) {
        add([...here, field, place, "destination"], destination);
      }
    }
  }
  for (const field of ["tls", "tcp"] as const) {
    for (const [index, { route = [] }] of (spec[field] ?? []).entries()) {
      for (const [place, { destination }] of route.entries()) {
        add(["spec", field, index, "route", place, "destination"], destination);
      }
    }
  }
  return named;
}

function checkDestination(
  { object, keys, destination }: Named & { readonly object: VirtualService },
  mesh: Mesh,
): void {
  const { subset = "" } = destination;
  const { namespace } = object.metadata;
  const host = resolveHost(destination.host ?? "", { namespace, domain });
  if (mesh.knowsServices && mesh.hosts.match(host) === undefined) {
    mesh.warn(object, [...keys, "host"], `there is no service ${host}: calls get 503`);
    return;
  }
  const subsets = mesh.subsets.match(host);
  if (subset !== "" && subsets !== undefined && !subsets.has(subset)) {
    const message = `no DestinationRule of ${host} has a subset "${subset}": calls get 503`;
    mesh.warn(object, [...keys, "subset"], message);
  }
}

/** Of several rules for one host a sidecar takes the oldest. */
function warnOfRivals(mesh: Mesh): void {
  const owners = new Map<string, VirtualService>();
  for (const object of mesh.virtualServices.toSorted(byAge)) {
    const { hosts = [], gateways = [], exportTo = [] } = object.spec;
    if (gateways.length > 0 && !gateways.includes("mesh")) continue;
    const { namespace } = object.metadata;
    // A rule for its own namespace is nobody else's rival.
    const seenBy = exportTo.length === 1 && exportTo[0] === "." ? namespace : "*";
    for (const [index, host] of hosts.entries()) {
      const key = `${seenBy}/${resolveHost(host, { namespace, domain })}`;
      const owner = owners.get(key);
      if (owner === undefined) owners.set(key, object);
      else if (objectKey(owner) !== objectKey(object)) {
        const message = `has no effect in sidecars: ${objectKey(owner)} is for the same host, and the oldest counts`;
        mesh.warn(object, ["spec", "hosts", index], message);
      }
    }
  }
}

/** Kinds of which a namespace has one that selects nobody in particular. */
const onePerNamespace: ReadonlyMap<string, "selector" | "workloadSelector"> = new Map([
  ["Sidecar", "workloadSelector"],
  ["PeerAuthentication", "selector"],
  ["Telemetry", "selector"],
]);

function warnOfDoubles(objects: readonly ConfigObject[], mesh: Mesh): void {
  const owners = new Map<string, ConfigObject>();
  for (const object of objects.toSorted(byAge)) {
    const field = onePerNamespace.get(object.kind);
    if (field === undefined || selects(object.spec, field)) continue;
    const key = `${object.kind}/${object.metadata.namespace}`;
    const owner = owners.get(key);
    if (owner === undefined) owners.set(key, object);
    else if (objectKey(owner) !== objectKey(object)) {
      const message = `has no effect: ${objectKey(owner)} is for the whole namespace too, and the oldest counts`;
      mesh.warn(object, ["spec"], message);
    }
  }
}

function selects(spec: unknown, field: string): boolean {
  if (typeof spec !== "object" || spec === null) return false;
  return [field, "targetRef", "targetRefs"].some((name) => name in spec);
}
