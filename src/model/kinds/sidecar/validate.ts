import type {
  IstioEgressListenerJson,
  IstioIngressListenerJson,
  OutboundTrafficPolicyJson,
  SidecarJson,
} from "#gen/istio/networking/v1alpha3/sidecar_pb.js";
import { isHttp, protocolOf } from "../../protocol.ts";
import { portProblem, protocolProblem } from "../checks.ts";
import { checkConnectionPool } from "../destination-rule/connection-pool.ts";
import { addressProblem, fqdnProblem, isLabel, socketPathProblem, unixPrefix } from "../hosts.ts";
import type { Validated } from "../kind.ts";
import { checkWorkloadSelector } from "../policy.ts";
import type { Report } from "../report.ts";
import { checkServerTls } from "../server-tls.ts";
import { checkDestination } from "../virtual-service/destination.ts";
import { checkEgressHosts } from "./egress-hosts.ts";

export function validate({ metadata, spec }: Validated<SidecarJson>, report: Report): void {
  const here = report.at("spec");
  const { ingress = [], egress = [], inboundConnectionPool, outboundTrafficPolicy } = spec;
  checkWorkloadSelector(spec.workloadSelector, here.at("workloadSelector"));
  const says = ingress.length + egress.length > 0 || inboundConnectionPool || outboundTrafficPolicy;
  if (!says) {
    here.problem(
      "says nothing: give ingress, egress, outboundTrafficPolicy or inboundConnectionPool",
    );
  }
  const ports = new Set<number>();
  for (const [index, listener] of ingress.entries()) {
    checkIngress(listener, here.at("ingress", index));
    checkUnique(listener.port?.number, ports, here.at("ingress", index, "port", "number"));
  }
  checkConnectionPool(inboundConnectionPool, here.at("inboundConnectionPool"));
  checkEgress(egress, here.at("egress"), metadata.namespace);
  if (outboundTrafficPolicy !== undefined) {
    checkPolicy(outboundTrafficPolicy, here.at("outboundTrafficPolicy"));
  }
}

function checkUnique(port: number | undefined, seen: Set<number>, report: Report): void {
  if (port === undefined || port === 0) return;
  if (seen.has(port)) report.problem(`there is a listener of port ${port} already`);
  seen.add(port);
}

function checkIngress(listener: IstioIngressListenerJson, report: Report): void {
  const { port, bind = "", defaultEndpoint = "", tls, connectionPool } = listener;
  if (port === undefined) report.at("port").problem("is required");
  else {
    checkPort(port, report.at("port"));
    report.at("port", "number").check(portProblem(port.number));
  }
  if (bind !== "") report.at("bind").check(addressProblem(bind));
  if (defaultEndpoint !== "") checkDefaultEndpoint(defaultEndpoint, report.at("defaultEndpoint"));
  checkIngressTls(listener, report.at("tls"));
  checkServerTls(tls, report.at("tls"));
  checkConnectionPool(connectionPool, report.at("connectionPool"));
  const protocol = protocolOf(port?.protocol);
  if (connectionPool?.http !== undefined && !isHttp(protocol)) {
    report.at("connectionPool", "http").warning(`has no effect on a port of ${protocol}`);
  }
}

function checkPort(port: NonNullable<IstioIngressListenerJson["port"]>, report: Report): void {
  const { name = "" } = port;
  if (name !== "" && !isLabel(name)) report.at("name").problem(`"${name}" is not a port's name`);
  report.at("protocol").check(protocolProblem(port.protocol));
  if (port.targetPort) report.at("targetPort").problem("has no meaning in a Sidecar");
}

/** The workload itself, at 127.0.0.1 or at the address of its instance (0.0.0.0). */
function checkDefaultEndpoint(endpoint: string, report: Report): void {
  if (endpoint.startsWith(unixPrefix)) {
    report.check(socketPathProblem(endpoint.slice(unixPrefix.length)));
    return;
  }
  const match = /^(?:127\.0\.0\.1|0\.0\.0\.0|\[::1\]|\[::\])?:(\d+)$/.exec(endpoint);
  const forms = "127.0.0.1:port, 0.0.0.0:port, [::1]:port, [::]:port or unix:///path";
  if (match === null) report.problem(`"${endpoint}" is not ${forms}`);
  else report.check(portProblem(Number(match[1])));
}

function checkIngressTls({ tls }: IstioIngressListenerJson, report: Report): void {
  if (tls === undefined) return;
  const { mode = "PASSTHROUGH" } = tls;
  if ((tls.subjectAltNames ?? []).length > 0) {
    report.at("subjectAltNames").problem("is not supported in a sidecar");
  }
  if (tls.httpsRedirect === true)
    report.at("httpsRedirect").problem("is not supported in a sidecar");
  if (tls.credentialName) report.at("credentialName").problem("is not supported in a sidecar");
  if (mode === "ISTIO_MUTUAL" || mode === "AUTO_PASSTHROUGH") {
    report.at("mode").problem(`${mode} is not supported in a sidecar`);
  }
}

function checkEgress(
  listeners: readonly IstioEgressListenerJson[],
  report: Report,
  namespace: string,
): void {
  const ports = new Set<number>();
  const sockets = new Set<string>();
  for (const [index, listener] of listeners.entries()) {
    const here = report.at(index);
    const { port, bind = "" } = listener;
    checkEgressHosts(listener.hosts ?? [], here.at("hosts"), namespace);
    if (port === undefined) {
      if (index < listeners.length - 1) {
        here.problem("a listener without a port takes everything else: there is one, the last");
      }
      continue;
    }
    checkPort(port, here.at("port"));
    if (!port.number) {
      checkSocketListener(listener, here);
      if (sockets.has(bind)) here.at("bind").problem(`there is a listener of ${bind} already`);
      sockets.add(bind);
    } else {
      here.at("port", "number").check(portProblem(port.number));
      if (bind !== "") here.at("bind").check(addressProblem(bind));
      checkUnique(port.number, ports, here.at("port", "number"));
    }
  }
}

function checkSocketListener(listener: IstioEgressListenerJson, report: Report): void {
  const { bind = "", captureMode = "DEFAULT" } = listener;
  if (!bind.startsWith(unixPrefix)) {
    report.at("bind").problem("a listener without a port number is bound to unix:///path");
  } else {
    report.at("bind").check(socketPathProblem(bind.slice(unixPrefix.length)));
  }
  if (captureMode === "IPTABLES") {
    report.at("captureMode").problem("a Unix socket cannot be captured: DEFAULT or NONE");
  }
}

function checkPolicy(policy: OutboundTrafficPolicyJson, report: Report): void {
  const { mode = "REGISTRY_ONLY", egressProxy } = policy;
  if (egressProxy === undefined) return;
  const here = report.at("egressProxy");
  if (mode !== "ALLOW_ANY") {
    here.problem("needs mode ALLOW_ANY: what is unknown goes through it");
    return;
  }
  const { host = "" } = egressProxy;
  const wholeName = fqdnProblem(host);
  if (wholeName === undefined) checkDestination(egressProxy, here);
  else here.at("host").problem(wholeName);
  if (egressProxy.port === undefined) here.at("port").problem("is required");
}
