import { isIP } from "node:net";
import type { NodeType, ProxyNode } from "./node.ts";
import type { Locality } from "./service.ts";

/** What a proxy says of itself when it connects. */
export interface NodeMessage {
  /** `sidecar~10.0.0.1~reviews-v1-7b.default~default.svc.cluster.local` */
  readonly id: string;
  /** ProtoJSON of `node.metadata`. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  readonly locality?: Partial<Locality> | undefined;
}

export type ReadNode = { readonly node: ProxyNode } | { readonly problems: readonly string[] };

const types: Readonly<Record<string, NodeType>> = {
  sidecar: "sidecar",
  router: "router",
  waypoint: "waypoint",
};

/** Istio's node id and metadata, of which the metadata wins. Every problem is named. */
export function readNode({ id, metadata = {}, locality = {} }: NodeMessage): ReadNode {
  const problems: string[] = [];
  const parts = id.split("~");
  const [type = "", ip = "", name = "", domain = ""] = parts;
  if (parts.length !== 4) {
    problems.push(
      `node id "${id}" must be type~ip~name.namespace~domain, such as "sidecar~10.0.0.1~reviews.default~default.svc.cluster.local"`,
    );
    return { problems };
  }
  const nodeType = Object.hasOwn(types, type) ? types[type] : undefined;
  if (nodeType === undefined) {
    const known = Object.keys(types).join(", ");
    problems.push(`node id "${id}": "${type}" is no type of proxy that Pilot serves: ${known}`);
  }
  const reader = new MetadataReader(metadata, problems);
  const addresses = readAddresses(id, ip, reader, problems);
  const namespace = reader.text("NAMESPACE") || namespaceOf(name, domain);
  if (namespace === "") {
    problems.push(`node id "${id}" names no namespace, and neither does metadata NAMESPACE`);
  }
  const labels = reader.map("LABELS");
  const node: ProxyNode = {
    id,
    type: nodeType ?? "sidecar",
    ipAddresses: addresses,
    name,
    namespace,
    dnsDomain: domain,
    labels,
    locality: localityOf(locality, labels),
    clusterId: reader.text("CLUSTER_ID"),
    network: reader.text("NETWORK") || (labels["topology.istio.io/network"] ?? ""),
    serviceAccount: reader.text("SERVICE_ACCOUNT"),
    workloadName: reader.text("WORKLOAD_NAME"),
    istioVersion: reader.text("ISTIO_VERSION") || undefined,
    interceptionMode: reader.choice("INTERCEPTION_MODE", ["REDIRECT", "TPROXY", "NONE"]),
    dnsCapture: reader.flag("DNS_CAPTURE"),
    metadata,
  };
  return problems.length > 0 ? { problems } : { node };
}

function readAddresses(
  id: string,
  ip: string,
  reader: MetadataReader,
  problems: string[],
): readonly string[] {
  const addresses = [...new Set([ip, ...reader.list("INSTANCE_IPS")])].filter(
    (text) => text !== "",
  );
  for (const address of addresses) {
    if (isIP(address) === 0) problems.push(`node id "${id}": "${address}" is not an IP address`);
  }
  if (addresses.length === 0) {
    problems.push(`node id "${id}" has no IP address, and neither has metadata INSTANCE_IPS`);
  }
  return addresses;
}

/** `reviews-v1.default` → default; a domain `default.svc.cluster.local` says it too. */
function namespaceOf(name: string, domain: string): string {
  const dot = name.lastIndexOf(".");
  if (dot >= 0 && dot < name.length - 1) return name.slice(dot + 1);
  const [namespace = "", service = ""] = domain.split(".");
  return service === "svc" ? namespace : "";
}

/** `region/zone/subzone` of the label wins, as everywhere in Istio. */
function localityOf(
  locality: Partial<Locality>,
  labels: Readonly<Record<string, string>>,
): Locality {
  const label = labels["istio-locality"];
  if (label !== undefined && label !== "") {
    // In a label `/` is not allowed.
    const [region = "", zone = "", subZone = ""] = label.split(label.includes("/") ? "/" : ".");
    return { region, zone, subZone };
  }
  return {
    region: locality.region ?? "",
    zone: locality.zone ?? "",
    subZone: locality.subZone ?? "",
  };
}

/** Istio's metadata: agents write booleans and lists as strings too. */
class MetadataReader {
  readonly #metadata: Readonly<Record<string, unknown>>;
  readonly #problems: string[];

  constructor(metadata: Readonly<Record<string, unknown>>, problems: string[]) {
    this.#metadata = metadata;
    this.#problems = problems;
  }

  text(key: string): string {
    const value = this.#metadata[key];
    if (value === undefined || value === null) return "";
    if (typeof value === "string") return value;
    return this.#refuse(key, "a string", "");
  }

  list(key: string): readonly string[] {
    const value = this.#metadata[key];
    if (value === undefined || value === null) return [];
    if (typeof value === "string") return value.split(",").map((text) => text.trim());
    if (Array.isArray(value)) {
      const texts = value.filter((item) => typeof item === "string");
      if (texts.length === value.length) return texts;
    }
    return this.#refuse(key, "a list of strings or a string with commas", []);
  }

  map(key: string): Readonly<Record<string, string>> {
    const value = this.#metadata[key];
    if (value === undefined || value === null) return {};
    if (typeof value === "object" && !Array.isArray(value)) {
      const entries = Object.entries(value).flatMap(([name, text]) =>
        typeof text === "string" ? [[name, text] as const] : [],
      );
      if (entries.length === Object.keys(value).length) return Object.fromEntries(entries);
    }
    return this.#refuse(key, "a map of strings", {});
  }

  flag(key: string): boolean {
    const value = this.#metadata[key];
    if (value === undefined || value === null || value === "") return false;
    if (typeof value === "boolean") return value;
    if (typeof value === "string" && /^(?:true|1|t)$/i.test(value)) return true;
    if (typeof value === "string" && /^(?:false|0|f)$/i.test(value)) return false;
    return this.#refuse(key, "true or false", false);
  }

  /** The first when nothing is said. */
  choice<T extends string>(key: string, choices: readonly [T, ...T[]]): T {
    const text = this.text(key);
    if (text === "") return choices[0];
    const choice = choices.find((candidate) => candidate === text);
    return choice ?? this.#refuse(key, `one of ${choices.join(", ")}`, choices[0]);
  }

  #refuse<T>(key: string, expected: string, absent: T): T {
    this.#problems.push(
      `node metadata ${key} must be ${expected}, not ${JSON.stringify(this.#metadata[key])}`,
    );
    return absent;
  }
}
