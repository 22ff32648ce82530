import type { ApiObject } from "./api-client.ts";

/** A column of a kind, besides its name and age; `wide`: only with `-o wide`. */
export interface Column {
  readonly title: string;
  readonly wide?: boolean;
  readonly cell: (object: ApiObject) => string;
}

/** `spec.hosts` as text; what is absent is empty. */
function field(...path: readonly string[]): (object: ApiObject) => string {
  return (object) => {
    let value: unknown = object;
    for (const key of path)
      value =
        typeof value === "object" && value !== null
          ? (value as Readonly<Record<string, unknown>>)[key]
          : undefined;
    if (value === undefined) return "";
    return typeof value === "string" ? value : JSON.stringify(value);
  };
}

function count(...path: readonly string[]): (object: ApiObject) => string {
  const get = field(...path);
  return (object) => {
    const text = get(object);
    return text === "" ? "0" : String((JSON.parse(text) as readonly unknown[]).length);
  };
}

const hosts: Column = { title: "HOSTS", cell: field("spec", "hosts") };
const action: Column = {
  title: "ACTION",
  cell: (object) => field("spec", "action")(object) || "ALLOW",
};

/** As istioctl's CRDs print them. */
export const columns: Readonly<Record<string, readonly Column[]>> = {
  VirtualService: [
    { title: "GATEWAYS", cell: field("spec", "gateways") },
    hosts,
    { title: "ROUTES", wide: true, cell: count("spec", "http") },
  ],
  DestinationRule: [
    { title: "HOST", cell: field("spec", "host") },
    { title: "SUBSETS", wide: true, cell: count("spec", "subsets") },
  ],
  Gateway: [
    { title: "SELECTOR", wide: true, cell: field("spec", "selector") },
    { title: "SERVERS", wide: true, cell: count("spec", "servers") },
  ],
  ServiceEntry: [
    hosts,
    { title: "LOCATION", cell: (object) => field("spec", "location")(object) || "MESH_EXTERNAL" },
    { title: "RESOLUTION", cell: (object) => field("spec", "resolution")(object) || "NONE" },
  ],
  WorkloadEntry: [
    { title: "ADDRESS", cell: field("spec", "address") },
    { title: "LABELS", wide: true, cell: field("spec", "labels") },
  ],
  AuthorizationPolicy: [action],
  PeerAuthentication: [{ title: "MODE", cell: field("spec", "mtls", "mode") }],
};
