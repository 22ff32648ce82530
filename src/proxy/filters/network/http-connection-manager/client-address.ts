import { BlockList, isIP } from "node:net";
import type { HttpConnectionManagerJson } from "#gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import type { HeaderList } from "#http/headers.ts";
import type { RequestHead } from "#http/message.ts";
import { refuse } from "#lib/config-error.ts";
import { type Address, isLoopback } from "#net/address.ts";
import { machineAddress } from "#net/machine-address.ts";
import type { Services } from "../../../services.ts";
import type { StreamInfo } from "../../../stream-info.ts";
import { compileClientCertificate } from "./client-certificate.ts";
import {
  compileDetection,
  type DetectAddress,
  entryFromRight,
  forwardedFor,
} from "./original-address.ts";
import { compileRequestId } from "./request-id.ts";

type PreparationConfig = Pick<
  HttpConnectionManagerJson,
  | "useRemoteAddress"
  | "xffNumTrustedHops"
  | "skipXffAppend"
  | "internalAddressConfig"
  | "forwardClientCertDetails"
  | "setCurrentClientCertDetails"
  | "via"
  | "generateRequestId"
  | "preserveExternalRequestId"
  | "requestIdExtension"
  | "originalIpDetectionExtensions"
  | "appendXForwardedPort"
  | "schemeHeaderTransformation"
  | "addUserAgent"
>;

/**
 * Who the client is, and which headers it may set: fills `info.remote`, appends x-forwarded-for and -proto, marks the request
 * internal or external, removes what outsiders must not send, and gives it an id. In Envoy's order, which is the order on the wire.
 */
export function compileRequestPreparation(
  config: PreparationConfig,
  services: Pick<Services, "random" | "node">,
  ownAddress: () => string | undefined = machineAddress,
): (head: RequestHead, info: StreamInfo) => void {
  const prepareClientCertificate = compileClientCertificate(config);
  const edge = config.useRemoteAddress === true;
  const hops = config.xffNumTrustedHops ?? 0;
  const via = config.via ?? "";
  const isInternal = compileInternal(config.internalAddressConfig);
  const setRequestId = compileRequestId(config, services);
  const detect = compileDetection(config);
  const address = edge
    ? compileEdgeAddress({
        hops,
        append: config.skipXffAppend !== true,
        ownAddress,
      })
    : compileInnerAddress(detect, ownAddress);
  const replaces = edge && hops === 0;
  const addPort = config.appendXForwardedPort === true;
  const scheme = schemeToOverwrite(config);
  return (head, info) => {
    const { headers } = head;
    const checkable = address(head, info);
    setScheme(head, info, replaces, scheme);
    if (addPort) setForwardedPort(headers, info, replaces);
    if (via !== "") appendVia(headers, via);
    const internal = checkable && isInternal?.(info.remote) === true;
    prepareClientCertificate(headers, info.downstream.tls);
    if (internal) headers.set("x-envoy-internal", "true");
    else {
      removeControlHeaders(headers, edge);
      if (edge && info.remote.family !== "pipe")
        headers.set("x-envoy-external-address", info.remote.ip);
    }
    if (config.addUserAgent === true) addUserAgent(headers, services.node);
    setRequestId?.(headers, edge && !internal);
  };
}

type Scheme = "http" | "https";

function schemeToOverwrite({ schemeHeaderTransformation }: PreparationConfig): Scheme | undefined {
  const scheme = schemeHeaderTransformation?.schemeToOverwrite;
  if (scheme === undefined || scheme === "") return undefined;
  if (scheme === "http" || scheme === "https") return scheme;
  throw refuse("scheme_header_transformation.scheme_to_overwrite", "must be http or https");
}

/** The scheme is what the client's connection was, as the proxy before this one says it; HTTP/2 names it itself. */
function setScheme(
  head: RequestHead,
  info: StreamInfo,
  replaces: boolean,
  overwrite: Scheme | undefined,
): void {
  const { headers } = head;
  const present = headers.get("x-forwarded-proto");
  if (overwrite !== undefined) {
    headers.set("x-forwarded-proto", overwrite);
    head.scheme = overwrite;
  } else if (present === undefined || replaces) {
    const own = info.downstream.tls === undefined ? "http" : "https";
    if (present === undefined) headers.add("x-forwarded-proto", own);
    else headers.set("x-forwarded-proto", own);
  } else if (head.version !== 20 && (present === "http" || present === "https"))
    head.scheme = present;
}

function setForwardedPort(headers: HeaderList, info: StreamInfo, replaces: boolean): void {
  if (replaces || !headers.has("x-forwarded-port"))
    headers.set("x-forwarded-port", String(info.downstream.local.port));
}

/**
 * Sets `info.remote`; returns whether the address may prove the request internal: only one that no header could forge.
 */
type AddressRule = (head: RequestHead, info: StreamInfo) => boolean;

function compileEdgeAddress(options: {
  readonly hops: number;
  readonly append: boolean;
  readonly ownAddress: () => string | undefined;
}): AddressRule {
  const { hops, append, ownAddress } = options;
  const appendPeer = compileAppend(ownAddress);
  return ({ headers }, info) => {
    const forwarded = forwardedFor(headers);
    const peer = info.downstream.remote;
    if (hops > 0) info.remote = entryFromRight(forwarded, hops - 1) ?? peer;
    if (append) appendPeer(headers, forwarded, peer);
    return forwarded === undefined;
  };
}

function compileInnerAddress(
  detect: DetectAddress,
  ownAddress: () => string | undefined,
): AddressRule {
  const appendPeer = compileAppend(ownAddress);
  return ({ headers }, info) => {
    const peer = info.downstream.remote;
    const found = detect(headers, peer);
    if (found.append) appendPeer(headers, forwardedFor(headers), peer);
    if (found.address === undefined) return false;
    info.remote = found.address;
    return found.trusted;
  };
}

type AppendPeer = (headers: HeaderList, forwarded: string | undefined, peer: Address) => void;

function compileAppend(ownAddress: () => string | undefined): AppendPeer {
  let known: string | undefined;
  return (headers, forwarded, peer) => {
    if (peer.family === "pipe") return;
    let { ip } = peer;
    if (isLoopback(peer)) {
      // Envoy's rule: the next proxy must see an address that means something there.
      known ??= ownAddress() ?? ip;
      ip = known;
    }
    headers.set(
      "x-forwarded-for",
      forwarded === undefined || forwarded === "" ? ip : `${forwarded},${ip}`,
    );
  };
}

/** undefined: nothing is internal, which is Envoy's default now. */
function compileInternal(
  config: HttpConnectionManagerJson["internalAddressConfig"],
): ((address: Address) => boolean) | undefined {
  const ranges = config?.cidrRanges ?? [];
  const unixSockets = config?.unixSockets === true;
  if (ranges.length === 0 && !unixSockets) return undefined;
  const list = new BlockList();
  for (const [index, range] of ranges.entries()) {
    const ip = range.addressPrefix ?? "";
    const family = isIP(ip);
    if (family === 0) {
      throw refuse(`internal_address_config.cidr_ranges[${index}]`, `malformed IP address: ${ip}`);
    }
    list.addSubnet(ip, range.prefixLen ?? 0, family === 4 ? "ipv4" : "ipv6");
  }
  return (address) =>
    address.family === "pipe"
      ? unixSockets
      : list.check(address.ip, address.family === 4 ? "ipv4" : "ipv6");
}

/** What tells the router or the tracer what to do; only internal requests may. */
const controlHeaders: ReadonlySet<string> = new Set([
  ...["x-envoy-internal", "x-envoy-retry-on", "x-envoy-retry-grpc-on", "x-envoy-max-retries"],
  ...["x-envoy-upstream-alt-stat-name", "x-envoy-upstream-rq-timeout-ms"],
  ...["x-envoy-upstream-rq-per-try-timeout-ms", "x-envoy-upstream-rq-timeout-alt-response"],
  ...["x-envoy-expected-rq-timeout-ms", "x-envoy-force-trace", "x-envoy-ip-tags"],
  ...["x-envoy-original-url", "x-envoy-hedge-on-per-try-timeout"],
  ...["x-envoy-retriable-status-codes", "x-envoy-retriable-header-names"],
  "x-envoy-upstream-stream-duration-ms",
]);

/** What only the edge removes: inside, the proxy before this one has set it. */
const edgeHeaders: ReadonlySet<string> = new Set([
  ...["x-envoy-decorator-operation", "x-envoy-downstream-service-cluster"],
  ...["x-envoy-downstream-service-node", "x-envoy-original-path", "x-envoy-original-host"],
]);

function removeControlHeaders(headers: HeaderList, edge: boolean): void {
  const { list } = headers;
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i];
    // All candidates begin with "x-": one comparison spares ordinary fields the look-up.
    if (name?.charCodeAt(0) !== 0x78 || name.charCodeAt(1) !== 0x2d) continue;
    if (controlHeaders.has(name) || (edge && edgeHeaders.has(name))) {
      headers.removeIf((field) => controlHeaders.has(field) || (edge && edgeHeaders.has(field)));
      return;
    }
  }
}

/** Upstream, this proxy's cluster is the user agent of requests that name none. */
function addUserAgent(headers: HeaderList, node: Services["node"]): void {
  headers.set("x-envoy-downstream-service-cluster", node.cluster);
  const present = headers.get("user-agent");
  if (present === undefined || present === "") headers.set("user-agent", node.cluster);
  if (node.id !== "") headers.set("x-envoy-downstream-service-node", node.id);
}

function appendVia(headers: HeaderList, via: string): void {
  const before = headers.get("via");
  headers.set("via", before === undefined || before === "" ? via : `${before}, ${via}`);
}
