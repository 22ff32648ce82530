import type { DestinationJson } from "#gen/istio/networking/v1alpha3/virtual_service_pb.js";
import type { OutboundScope } from "../view.ts";
import { dynamicDnsCluster, outboundCluster, passthroughCluster } from "./destination.ts";

/** Where traffic goes that no service of the registry takes. */
export interface OutboundTrafficPolicy {
  /** Undefined: nowhere (`REGISTRY_ONLY`). */
  readonly httpCluster: string | undefined;
  /** Undefined: the connection is closed. */
  readonly tcpCluster: string | undefined;
}

/** The Sidecar's own policy, else the mesh's. */
export function outboundTrafficPolicy({
  sidecar,
  mesh,
  explicitProxy,
}: Pick<OutboundScope, "sidecar" | "mesh" | "explicitProxy">): OutboundTrafficPolicy {
  const own = sidecar?.spec.outboundTrafficPolicy;
  const mode = own ? own.mode : mesh.outboundTrafficPolicy ? mesh.outboundTrafficPolicy.mode : 1;
  switch (mode) {
    case 1:
    case "ALLOW_ANY": {
      if (own?.egressProxy) {
        const cluster = proxyCluster(own.egressProxy);
        return { httpCluster: cluster, tcpCluster: cluster };
      }
      // Passing on a call needs the address that it was sent to, and that is the proxy's own.
      const httpCluster = explicitProxy ? dynamicDnsCluster : passthroughCluster;
      return { httpCluster, tcpCluster: passthroughCluster };
    }
    case "ALLOW_ANY_DYNAMIC_DNS":
      return { httpCluster: dynamicDnsCluster, tcpCluster: passthroughCluster };
    default:
      return { httpCluster: undefined, tcpCluster: undefined };
  }
}

function proxyCluster({ host = "", subset, port }: DestinationJson): string {
  return outboundCluster({ hostname: host, port: port?.number ?? 0, subset });
}
