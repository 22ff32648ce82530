import { isIP } from "node:net";
import type { CidrRangeJson } from "#gen/envoy/config/core/v3/address_pb.js";
import type { HttpConnectionManagerJson } from "#gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import type { CustomHeaderConfigJson } from "#gen/envoy/extensions/http/original_ip_detection/custom_header/v3/custom_header_pb.js";
import type { XffConfigJson } from "#gen/envoy/extensions/http/original_ip_detection/xff/v3/xff_pb.js";
import { type HeaderList, isToken } from "#http/headers.ts";
import { compileEach, refuse } from "#lib/config-error.ts";
import { type Address, ipAddress } from "#net/address.ts";
import { type Cidr, cidrContains, compileCidr } from "../../../matching/cidr.ts";
import { typeOf } from "./make-filter.ts";

/** What one way of finding the client's address found. */
export interface Detected {
  readonly address: Address | undefined;
  /** The address may prove the request internal. */
  readonly trusted: boolean;
  /** The peer is to be added to x-forwarded-for. */
  readonly append: boolean;
}

export type DetectAddress = (headers: HeaderList, peer: Address) => Detected;

type DetectionConfig = Pick<
  HttpConnectionManagerJson,
  "originalIpDetectionExtensions" | "xffNumTrustedHops" | "useRemoteAddress"
>;

/** `original_ip_detection_extensions`, asked in turn; without them, the entries of x-forwarded-for behind the trusted hops. */
export function compileDetection(config: DetectionConfig): DetectAddress {
  const extensions = config.originalIpDetectionExtensions ?? [];
  const hops = config.xffNumTrustedHops ?? 0;
  if (extensions.length === 0) return detectBehindHops(hops, false);
  const field = "original_ip_detection_extensions";
  if (config.useRemoteAddress === true)
    throw refuse(field, "Original IP detection extensions and use_remote_address may not be mixed");
  if (hops > 0)
    throw refuse(
      field,
      "Original IP detection extensions and xff_num_trusted_hops may not be mixed",
    );
  return inTurn(compileEach(field, extensions, compileExtension));
}

type ExtensionConfig = NonNullable<DetectionConfig["originalIpDetectionExtensions"]>[number];

const xffType = "envoy.extensions.http.original_ip_detection.xff.v3.XffConfig";
const customHeaderType =
  "envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig";

function compileExtension({ typedConfig }: ExtensionConfig): DetectAddress {
  const type = typeOf(typedConfig);
  // Proof: "@type" says which message it is, and the configuration was checked against it.
  if (type === xffType) return compileXff(typedConfig as unknown as XffConfigJson);
  if (type === customHeaderType)
    return compileCustomHeader(typedConfig as unknown as CustomHeaderConfigJson);
  throw refuse("typed_config", `Heddle has no original IP detection for ${type}`);
}

function inTurn(detections: readonly DetectAddress[]): DetectAddress {
  const [only] = detections;
  if (only !== undefined && detections.length === 1) return only;
  return (headers, peer) => {
    let append = false;
    for (const detect of detections) {
      const found = detect(headers, peer);
      append ||= found.append;
      if (found.address !== undefined) return { ...found, append };
    }
    return { ...nothing, append };
  };
}

const nothing: Detected = {
  address: undefined,
  trusted: false,
  append: false,
};
const untrustedPeer: Detected = { ...nothing, append: true };

function compileXff(config: XffConfigJson): DetectAddress {
  const append = config.skipXffAppend === false;
  const hops = config.xffNumTrustedHops ?? 0;
  if (config.xffTrustedCidrs === undefined) return detectBehindHops(hops, append);
  if (hops > 0)
    throw refuse("typed_config", "Cannot set both xff_num_trusted_hops and xff_trusted_cidrs");
  return detectBehindNetworks(config.xffTrustedCidrs.cidrs ?? [], append);
}

/** Behind another proxy: the last entry that it wrote. */
function detectBehindHops(hops: number, append: boolean): DetectAddress {
  const none = { ...nothing, append };
  return (headers) => {
    const forwarded = forwardedFor(headers);
    if (forwarded === undefined) return none;
    const address = entryFromRight(forwarded, hops);
    if (address === undefined) return none;
    const trusted = hops === 0 && !forwarded.includes(",");
    return { address, trusted, append };
  };
}

function detectBehindNetworks(configs: readonly CidrRangeJson[], append: boolean): DetectAddress {
  const networks = compileEach("typed_config.xff_trusted_cidrs.cidrs", configs, compileCidr);
  return (headers, peer) => {
    if (!inAny(networks, peer.ip)) return untrustedPeer;
    return { ...nothing, address: lastUntrusted(forwardedFor(headers), networks), append };
  };
}

/** From the right, past every trusted proxy; the last address that could be read when all are trusted. */
function lastUntrusted(
  forwarded: string | undefined,
  networks: readonly Cidr[],
): Address | undefined {
  let last: Address | undefined;
  let end = forwarded?.length ?? 0;
  while (forwarded !== undefined && end > 0) {
    const comma = forwarded.lastIndexOf(",", end - 1);
    const address = addressOf(forwarded.slice(comma + 1, end));
    if (address === undefined) return last;
    last = address;
    if (!inAny(networks, address.ip)) return address;
    end = comma;
  }
  return last;
}

function inAny(networks: readonly Cidr[], ip: string): boolean {
  return networks.some((network) => cidrContains(network, ip));
}

function compileCustomHeader(config: CustomHeaderConfigJson): DetectAddress {
  const name = (config.headerName ?? "").toLowerCase();
  if (!isToken(name)) throw refuse("typed_config.header_name", "not a header name");
  const trusted = config.allowExtensionToSetAddressAsTrusted === true;
  return (headers) => {
    const value = headers.get(name);
    const address = value === undefined ? undefined : addressOf(value);
    return address === undefined ? nothing : { address, trusted, append: false };
  };
}

/** Repeated fields are one list (RFC 9110 §5.3): a client's second field must not hide behind its first. */
export function forwardedFor(headers: HeaderList): string | undefined {
  const { list } = headers;
  let joined: string | undefined;
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] !== "x-forwarded-for") continue;
    joined = joined === undefined ? list[i + 1] : `${joined},${list[i + 1]}`;
  }
  return joined;
}

/** `skip` entries from the right of x-forwarded-for; undefined when there are fewer or it is no address. */
export function entryFromRight(forwarded: string | undefined, skip: number): Address | undefined {
  if (forwarded === undefined) return undefined;
  let end = forwarded.length;
  for (let i = 0; i < skip; i++) {
    end = forwarded.lastIndexOf(",", end - 1);
    if (end <= 0) return undefined;
  }
  return addressOf(forwarded.slice(forwarded.lastIndexOf(",", end - 1) + 1, end));
}

/** An entry with a port is no address to Envoy either. */
function addressOf(text: string): Address | undefined {
  const ip = text.trim();
  return isIP(ip) === 0 ? undefined : ipAddress(ip, 0);
}
