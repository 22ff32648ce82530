import type { HttpConnectionManagerJson } from "#gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import type {
  ForwardClientCertDetailsJson,
  ProxyConfigJson,
} from "#gen/istio/mesh/v1alpha1/proxy_pb.js";
import { defined } from "../defined.ts";

/** Whose connections a listener takes. */
export type ListenerClass = "inbound" | "outbound" | "gateway";

const serverName = "istio-envoy";

/** What ProxyConfig.proxyHeaders asks of a connection manager, and Istio's defaults. */
export function headerSettings(
  { proxyHeaders = {} }: ProxyConfigJson,
  listenerClass: ListenerClass,
): Partial<HttpConnectionManagerJson> {
  const { server, requestId } = proxyHeaders;
  // Istio leaves Envoy's own name to the sidecar's outbound side.
  const name = server?.value || (listenerClass === "outbound" ? undefined : serverName);
  return defined({
    serverName: server?.disabled === true ? undefined : name,
    serverHeaderTransformation: server?.disabled === true ? ("PASS_THROUGH" as const) : undefined,
    generateRequestId: requestId?.disabled === true ? false : undefined,
    appendXForwardedPort: proxyHeaders.xForwardedPort?.enabled === true ? true : undefined,
  });
}

export function suppressesDebugHeaders({ proxyHeaders }: ProxyConfigJson): boolean {
  return proxyHeaders?.envoyDebugHeaders?.disabled === true;
}

/** x-forwarded-client-cert for the workload behind a sidecar. */
export function inboundClientCertificate({
  proxyHeaders: { forwardedClientCert, setCurrentClientCertDetails: details } = {},
}: ProxyConfigJson): Partial<HttpConnectionManagerJson> {
  return {
    forwardClientCertDetails: forwarding(forwardedClientCert) ?? "APPEND_FORWARD",
    setCurrentClientCertDetails: defined({
      subject: details?.subject ?? true,
      uri: details?.uri ?? true,
      dns: details?.dns ?? true,
      cert: details?.cert === true ? true : undefined,
      chain: details?.chain === true ? true : undefined,
    }),
  };
}

/** A gateway faces strangers: what they claim to be is overwritten, unless the topology says that a proxy in front is trusted. */
export function gatewayClientCertificate({
  gatewayTopology,
}: ProxyConfigJson): Partial<HttpConnectionManagerJson> {
  const details = forwarding(gatewayTopology?.forwardClientCertDetails) ?? "SANITIZE_SET";
  return {
    forwardClientCertDetails: details,
    ...(details === "APPEND_FORWARD" || details === "SANITIZE_SET"
      ? { setCurrentClientCertDetails: { subject: true, cert: true, dns: true, uri: true } }
      : {}),
  };
}

function forwarding(
  details: ForwardClientCertDetailsJson | undefined,
): HttpConnectionManagerJson["forwardClientCertDetails"] {
  return details === undefined || details === "UNDEFINED" ? undefined : details;
}
