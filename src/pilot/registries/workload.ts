import type { EndpointHealth, Locality } from "#model/service.ts";

export const noLocality: Locality = { region: "", zone: "", subZone: "" };

/** Something that runs and may answer for services: a WorkloadEntry or a Pod. */
export interface Workload {
  readonly name: string;
  readonly namespace: string;
  /** "WorkloadEntry" or "Pod". */
  readonly kind: "WorkloadEntry" | "Pod";
  /** Several of a Pod with two families; the first one is used. Empty: known by its network's gateway only. */
  readonly address: string;
  /** Of a WorkloadEntry by the service's port name, of a Pod by the container port's name. */
  readonly ports: Readonly<Record<string, number>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly locality: Locality;
  readonly weight: number;
  readonly health: EndpointHealth;
  readonly serviceAccount: string;
  readonly network: string;
  readonly clusterId: string;
  readonly nodeName: string | undefined;
  /** The only proxy that it belongs to; undefined: whichever has its address. */
  readonly proxyId: string | undefined;
}

/** `region/zone/subzone`, as much of it as is known. */
export function parseLocality(text: string | undefined): Locality {
  if (!text) return noLocality;
  // Label values cannot hold a slash, so Istio reads dots there; a region with dots is then written with slashes elsewhere.
  const [region = "", zone = "", subZone = ""] = text.split(text.includes("/") ? "/" : ".", 3);
  return { region, zone, subZone };
}
