import type {
  GatewayJson,
  PortJson,
  ServerJson,
} from "#gen/istio/networking/v1alpha3/gateway_pb.js";
import { isHttp, isTls, parseProtocol } from "../../protocol.ts";
import { portProblem, reportDuplicates } from "../checks.ts";
import {
  addressProblem,
  isAddress,
  isLabel,
  partialWildcardProblem,
  socketPathProblem,
  unixPrefix,
  wildcardHostProblem,
} from "../hosts.ts";
import type { Validated } from "../kind.ts";
import { checkLabels } from "../policy.ts";
import type { Report } from "../report.ts";
import { checkServerTls } from "../server-tls.ts";

export function validate({ metadata, spec }: Validated<GatewayJson>, report: Report): void {
  if (metadata.name !== "" && !isLabel(metadata.name)) {
    report.at("metadata", "name").problem(`"${metadata.name}": a Gateway's name has no dots`);
  }
  const here = report.at("spec");
  const { servers = [], selector } = spec;
  checkLabels(selector, here.at("selector"));
  if (selector === undefined) {
    here.at("selector").warning("is not given: every gateway is selected");
  }
  if (servers.length === 0) here.at("servers").problem("is required: at least one");
  for (const [index, server] of servers.entries()) checkServer(server, here.at("servers", index));
  reportDuplicates(here.at("servers"), servers, {
    key: ({ port }) => port?.name,
    message: (name) => `there is a server with port name "${name}" already`,
  });
}

function checkServer(server: ServerJson, report: Report): void {
  const { port, bind = "", hosts = [], tls } = server;
  if (hosts.length === 0) report.at("hosts").problem("is required");
  for (const [index, host] of hosts.entries()) checkHost(host, report.at("hosts", index));
  if (port === undefined) report.at("port").problem("is required");
  else checkPort(port, report.at("port"), bind);
  checkBind(bind, report.at("bind"), port);
  checkServerTls(tls, report.at("tls"));
  checkProtocol(server, report);
  if (server.defaultEndpoint) {
    report.at("defaultEndpoint").warning("has no effect: VirtualServices say where calls go");
  }
}

/** `namespace/host`, `./host`, `host`. */
function checkHost(text: string, report: Report): void {
  const slash = text.indexOf("/");
  const namespace = slash < 0 ? "*" : text.slice(0, slash);
  const host = text.slice(slash + 1);
  if (namespace !== "*" && namespace !== "." && !isLabel(namespace)) {
    report.problem(`"${text}": "${namespace}" is none of "*", "." and a namespace`);
  }
  if (isAddress(host)) return;
  if (host !== "*" && !host.includes(".") && host !== "") {
    report.problem(`"${text}": a gateway's host is a whole name, such as "shop.example.com"`);
    return;
  }
  report.check(wildcardHostProblem(host) ?? partialWildcardProblem(host));
}

function checkPort(port: PortJson, report: Report, bind: string): void {
  const { number, protocol = "", name = "" } = port;
  if (protocol === "") report.at("protocol").problem("is required");
  else if (parseProtocol(protocol) === undefined) {
    const known = "HTTP, HTTPS, HTTP2, GRPC, GRPC-WEB, MONGO, REDIS, MYSQL, TCP, TLS";
    report.at("protocol").problem(`"${protocol}" is none of ${known}`);
  }
  if (number || !bind.startsWith(unixPrefix)) report.at("number").check(portProblem(number));
  if (port.targetPort) report.at("targetPort").problem("has no meaning in a Gateway");
  if (name === "") report.at("name").problem("is required");
}

function checkBind(bind: string, report: Report, port: PortJson | undefined): void {
  if (bind.startsWith(unixPrefix)) {
    report.check(socketPathProblem(bind.slice(unixPrefix.length)));
    if (port?.number) report.problem("a Unix socket has no port: its number must be 0");
  } else if (bind !== "") {
    report.check(addressProblem(bind));
  }
}

/** TLS where the protocol has it, and nowhere else. */
function checkProtocol({ port, tls }: ServerJson, report: Report): void {
  const protocol = parseProtocol(port?.protocol ?? "");
  if (protocol === undefined) return;
  if (tls?.httpsRedirect === true && !isHttp(protocol)) {
    report.at("tls", "httpsRedirect").warning("has an effect on HTTP servers only");
  }
  if (isTls(protocol)) {
    if (tls === undefined) report.at("tls").problem(`is required with protocol ${protocol}`);
  } else if (tls !== undefined && isHttp(protocol)) {
    const { mode = "PASSTHROUGH", serverCertificate, privateKey, caCertificates } = tls;
    const passes = mode === "PASSTHROUGH" || mode === "AUTO_PASSTHROUGH";
    if (!passes || serverCertificate || privateKey || caCertificates) {
      const what = "only httpsRedirect can be given on a port of plain HTTP";
      report.at("tls").problem(`${what}; for TLS the protocol is HTTPS`);
    }
  } else if (tls !== undefined) {
    report.at("tls").problem(`cannot be given with protocol ${protocol}; use TLS or HTTPS`);
  }
}
