import { existsSync } from "node:fs";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { ConfigSourceJson } from "#gen/envoy/config/core/v3/config_source_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import { checkConfigSource } from "../../dynamic/config-source.ts";
import { clusterType } from "../cluster-type.ts";
import { dnsOptions } from "./dns-options.ts";
import { edsFile, edsPath } from "./eds-source.ts";
import { membersOf, unresolvedOf } from "./load-assignment.ts";

/** Throws ConfigError for whatever discovery would refuse once it started: `--mode validate` starts none. */
export function checkDiscovery(config: ClusterJson): void {
  const type = clusterType(config);
  switch (type) {
    case "STATIC":
      membersOf(config.name ?? "", config.loadAssignment);
      return;
    case "STRICT_DNS":
    case "LOGICAL_DNS":
      dnsOptions(config, type);
      unresolvedOf(config.loadAssignment);
      return;
    case "EDS":
      if (edsPath(config) !== undefined) checkFile(edsFile(config).path);
      else checkSource(config.edsClusterConfig?.edsConfig);
      return;
    case "DYNAMIC_FORWARD_PROXY":
      return;
    case "ORIGINAL_DST":
      if ((config.loadAssignment?.endpoints ?? []).length === 0) return;
      throw refuse(
        "load_assignment",
        "ORIGINAL_DST clusters must have no load assignment configured",
      );
    default:
      throw refuse("type", `${String(type)} is not supported by Heddle`);
  }
}

function checkSource(source: ConfigSourceJson | undefined): void {
  if (source === undefined) throw refuse("eds_cluster_config.eds_config", "value is required");
  within("eds_cluster_config.eds_config", () => checkConfigSource(source));
}

function checkFile(path: string): void {
  if (existsSync(path)) return;
  throw refuse(
    "eds_cluster_config.eds_config",
    `paths must refer to an existing path in the system: '${path}' does not exist`,
  );
}
