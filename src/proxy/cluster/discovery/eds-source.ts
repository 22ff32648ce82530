import { dirname } from "node:path";
import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";

/** Where a cluster's endpoints are read from. */
export interface EdsFile {
  readonly path: string;
  readonly watchedDirectory: string;
  /** Any name in the watched directory counts: a Kubernetes volume changes by the move of a link beside the file's. */
  readonly anyName: boolean;
  /** Whose ClusterLoadAssignment it is. */
  readonly resource: string;
  /** 0: wait for ever. */
  readonly initialFetchTimeoutMs: number;
}

const source = "eds_cluster_config.eds_config";
const initialFetchTimeoutMs = 15_000;

/** Undefined: its endpoints come by xDS. */
export function edsPath({ edsClusterConfig }: ClusterJson): string | undefined {
  const { pathConfigSource, path } = edsClusterConfig?.edsConfig ?? {};
  return pathConfigSource?.path ?? path;
}

/** Of a cluster with endpoints in a file. */
export function edsFile(config: ClusterJson): EdsFile {
  const eds = config.edsClusterConfig;
  const path = edsPath(config) ?? "";
  if (path === "") throw refuse(source, "a path is required");
  const directory = eds?.edsConfig?.pathConfigSource?.watchedDirectory?.path;
  return {
    path,
    watchedDirectory: directory ?? dirname(path),
    anyName: directory !== undefined,
    resource: eds?.serviceName || (config.name ?? ""),
    initialFetchTimeoutMs: within(`${source}.initial_fetch_timeout`, () =>
      durationMs(eds?.edsConfig?.initialFetchTimeout, initialFetchTimeoutMs),
    ),
  };
}
