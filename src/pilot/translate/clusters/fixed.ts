import type { ClusterJson } from "#gen/envoy/config/cluster/v3/cluster_pb.js";
import type { BindConfigJson } from "#gen/envoy/config/core/v3/address_pb.js";
import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import { inboundPassthroughCluster } from "../../cluster-names.ts";
import { blackHoleCluster, passthroughCluster } from "../destination.ts";
import { applyConnectionPool } from "./connection-pool.ts";
import { draftOf, finished } from "./draft.ts";
import { anyHostCluster } from "./dynamic-dns.ts";
import type { Flavour } from "./flavour.ts";
import { delimitedStatName } from "./stat-name.ts";

/** The clusters that every sidecar has. The same objects for one mesh and family of addresses. */
export interface FixedClusters {
  readonly blackHole: ClusterJson;
  readonly passthrough: ClusterJson;
  readonly inboundPassthrough: ClusterJson;
  /** Only where the outbound traffic policy asks for it. */
  readonly anyHost: ClusterJson;
}

const ofMesh = new WeakMap<MeshConfigJson, Map<Flavour["family"], FixedClusters>>();

export function fixedClusters(mesh: MeshConfigJson, flavour: Flavour): FixedClusters {
  const { family } = flavour;
  const known = ofMesh.get(mesh) ?? new Map<Flavour["family"], FixedClusters>();
  ofMesh.set(mesh, known);
  let clusters = known.get(family);
  if (clusters === undefined) {
    clusters = {
      blackHole: blackHole(mesh),
      passthrough: passthrough(mesh, passthroughCluster),
      inboundPassthrough: {
        ...passthrough(mesh, inboundPassthroughCluster),
        upstreamBindConfig: magicSource(family),
      },
      anyHost: anyHostCluster(mesh, flavour),
    };
    known.set(family, clusters);
  }
  return clusters;
}

/** No endpoints: whoever is sent here is refused. */
function blackHole({ connectTimeout = "10s" }: MeshConfigJson): ClusterJson {
  return {
    name: blackHoleCluster,
    altStatName: delimitedStatName(blackHoleCluster),
    type: "STATIC",
    connectTimeout,
  };
}

function passthrough(mesh: MeshConfigJson, name: string): ClusterJson {
  const draft = draftOf(name, "ORIGINAL_DST");
  // Istio names the statistics of both after the first.
  draft.cluster.altStatName = delimitedStatName(passthroughCluster);
  draft.cluster.lbPolicy = "CLUSTER_PROVIDED";
  delete draft.cluster.commonLbConfig;
  draft.http = {
    commonHttpProtocolOptions: { idleTimeout: "300s" },
    useDownstreamProtocolConfig: { httpProtocolOptions: {}, http2ProtocolOptions: {} },
  };
  applyConnectionPool(draft, mesh, {});
  return finished(draft);
}

const magicV4 = "127.0.0.6";
const magicV6 = "::6";

/** The address that interception lets through: connections to the own workload do not come back to the proxy. */
export function magicSource(family: Flavour["family"]): BindConfigJson {
  return {
    sourceAddress: { address: family === "V6" ? magicV6 : magicV4, portValue: 0 },
    ...(family === "both"
      ? { extraSourceAddresses: [{ address: { address: magicV6, portValue: 0 } }] }
      : {}),
  };
}
