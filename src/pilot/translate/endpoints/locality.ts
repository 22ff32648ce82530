import type { LocalityJson } from "#gen/envoy/config/core/v3/base_pb.js";
import type { Locality } from "#model/service.ts";

export function localityJson({ region, zone, subZone }: Locality): LocalityJson {
  return {
    ...(region === "" ? {} : { region }),
    ...(zone === "" ? {} : { zone }),
    ...(subZone === "" ? {} : { subZone }),
  };
}

/** `region/zone/subZone`, as far as it goes: what localities are grouped and ordered by. */
export function localityLabel({ region, zone, subZone }: Locality): string {
  if (subZone !== "") return `${region}/${zone}/${subZone}`;
  return zone === "" ? region : `${region}/${zone}`;
}

/** Whether a locality is in `us-west/zone1/*`, where `*` and what is left out stand for any. */
export function inLocality(locality: Locality, pattern: string): boolean {
  const [region = "", zone = "", subZone = ""] = pattern.split("/");
  return (
    (region === "*" || region === locality.region) &&
    (zone === "*" || zone === "" || zone === locality.zone) &&
    (subZone === "*" || subZone === "" || subZone === locality.subZone)
  );
}

/** 0: same sub-zone, 1: same zone, 2: same region, 3: elsewhere. */
export function distance(from: Locality, to: Locality): number {
  if (from.region !== to.region) return 3;
  if (from.zone !== to.zone) return 2;
  return from.subZone === to.subZone ? 0 : 1;
}
