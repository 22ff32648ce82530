import { BlockList, isIP } from "node:net";
import { networkInterfaces } from "node:os";
import type { HttpConnectionManagerJson } from "#gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import type { HeaderList } from "#http/headers.ts";
import type { RequestHead } from "#http/message.ts";
import { refuse } from "#lib/config-error.ts";
import { type Address, ipAddress, isLoopback } from "#net/address.ts";
import type { Services } from "../../../services.ts";
import type { StreamInfo } from "../../../stream-info.ts";
import { compileClientCertificate } from "./client-certificate.ts";
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
>;

/**
 * Who the client is, and which headers it may set: fills `info.remote`, appends x-forwarded-for and -proto, marks the request
 * internal or external, removes what outsiders must not send, and gives it an id. In Envoy's order, which is the order on the wire.
 */
export function compileRequestPreparation(
  config: PreparationConfig,
  services: Pick<Services, "random">,
  machineAddress: () => string | undefined = firstAddress,
): (head: RequestHead, info: StreamInfo) => void {
  const prepareClientCertificate = compileClientCertificate(config);
  const edge = config.useRemoteAddress === true;
  const hops = config.xffNumTrustedHops ?? 0;
  const via = config.via ?? "";
  const isInternal = compileInternal(config.internalAddressConfig);
  const setRequestId = compileRequestId(config, services);
  const address = edge
    ? compileEdgeAddress({ hops, append: config.skipXffAppend !== true, machineAddress })
    : innerAddress(hops);
  return (head, info) => {
    const { headers } = head;
    const checkable = address(head, info);
    if (!headers.has("x-forwarded-proto") || (edge && hops === 0)) {
      headers.set("x-forwarded-proto", head.scheme);
    }
    if (via !== "") appendVia(headers, via);
    const internal = checkable && isInternal?.(info.remote) === true;
    prepareClientCertificate(headers, info.downstream.tls);
    if (internal) headers.set("x-envoy-internal", "true");
    else {
      removeControlHeaders(headers, edge);
      if (edge && info.remote.family !== "pipe")
        headers.set("x-envoy-external-address", info.remote.ip);
    }
    setRequestId?.(headers, edge && !internal);
  };
}

/** Sets `info.remote`; returns whether the address may prove the request internal: only one that no header could forge. */
type AddressRule = (head: RequestHead, info: StreamInfo) => boolean;

function compileEdgeAddress(options: {
  readonly hops: number;
  readonly append: boolean;
  readonly machineAddress: () => string | undefined;
}): AddressRule {
  const { hops, append } = options;
  let ownAddress: string | undefined;
  return ({ headers }, info) => {
    const forwarded = forwardedFor(headers);
    const peer = info.downstream.remote;
    if (hops > 0) info.remote = entryFromRight(forwarded, hops - 1) ?? peer;
    if (append && peer.family !== "pipe") {
      let ip = peer.ip;
      if (isLoopback(peer)) {
        // Envoy's rule: the next proxy must see an address that means something there.
        ownAddress ??= options.machineAddress() ?? ip;
        ip = ownAddress;
      }
      headers.set(
        "x-forwarded-for",
        forwarded === undefined || forwarded === "" ? ip : `${forwarded},${ip}`,
      );
    }
    return forwarded === undefined;
  };
}

/** Behind another proxy: the last entry that it wrote. */
function innerAddress(hops: number): AddressRule {
  return ({ headers }, info) => {
    const forwarded = forwardedFor(headers);
    if (forwarded === undefined) return false;
    const address = entryFromRight(forwarded, hops);
    if (address === undefined) return false;
    info.remote = address;
    return hops === 0 && !forwarded.includes(",");
  };
}

/** Repeated fields are one list (RFC 9110 §5.3): a client's second field must not hide behind its first. */
function forwardedFor(headers: HeaderList): string | undefined {
  const { list } = headers;
  let joined: string | undefined;
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] !== "x-forwarded-for") continue;
    joined = joined === undefined ? list[i + 1] : `${joined},${list[i + 1]}`;
  }
  return joined;
}

/** `skip` entries from the right of x-forwarded-for; undefined when there are fewer or it is no address. */
function entryFromRight(forwarded: string | undefined, skip: number): Address | undefined {
  if (forwarded === undefined) return undefined;
  let end = forwarded.length;
  for (let i = 0; i < skip; i++) {
    end = forwarded.lastIndexOf(",", end - 1);
    if (end <= 0) return undefined;
  }
  const start = forwarded.lastIndexOf(",", end - 1) + 1;
  const ip = forwarded.slice(start, end).trim();
  // An entry with a port is no address to Envoy either.
  return isIP(ip) === 0 ? undefined : ipAddress(ip, 0);
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

function appendVia(headers: HeaderList, via: string): void {
  const before = headers.get("via");
  headers.set("via", before === undefined || before === "" ? via : `${before}, ${via}`);
}

function firstAddress(): string | undefined {
  for (const addresses of Object.values(networkInterfaces())) {
    for (const address of addresses ?? []) {
      if (!address.internal && address.family === "IPv4") return address.address;
    }
  }
  return undefined;
}
