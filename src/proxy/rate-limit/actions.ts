import type {
  RateLimit_Action_HeaderValueMatchJson,
  RateLimit_Action_MaskedRemoteAddressJson,
  RateLimit_Action_MetaDataJson,
  RateLimit_Action_QueryParameterValueMatchJson,
  RateLimit_ActionJson,
} from "#gen/envoy/config/route/v3/route_components_pb.js";
import type { RequestHead } from "#http/message.ts";
import { refuse, within } from "#lib/config-error.ts";
import { byteText } from "../matching/byte-text.ts";
import { cidrText, compileCidr, parseIp } from "../matching/cidr.ts";
import { compileHeaderMatchers } from "../matching/header-matcher.ts";
import { metadataAt } from "../matching/metadata-matcher.ts";
import { compileQueryMatchers, decodedQueryParameter } from "../matching/query-parameters.ts";
import type { StreamInfo } from "../stream-info.ts";

/** One part of a descriptor; texts as bytes, a character each. */
export interface DescriptorEntry {
  readonly key: string;
  readonly value: string;
}

/** What is known of a request when its descriptors are made. */
export interface DescriptorSource {
  readonly head: RequestHead;
  readonly info: StreamInfo;
  /** The cluster of its route; undefined when it goes to none. */
  readonly cluster: string | undefined;
}

/** An entry of the descriptor, `skip` for none; undefined: there is no descriptor at all. */
export type Action = (source: DescriptorSource) => DescriptorEntry | "skip" | undefined;

/** `envoy.config.route.v3.RateLimit.Action`; `nodeCluster` is this proxy's own (`node.cluster`). */
export function compileRateLimitAction(config: RateLimit_ActionJson, nodeCluster: string): Action {
  const { genericKey, requestHeaders, queryParameters, metadata } = config;
  if (genericKey !== undefined)
    return constant(nameOr(genericKey.descriptorKey, "generic_key"), genericKey.descriptorValue);
  if (requestHeaders !== undefined) {
    const name = (requestHeaders.headerName ?? "").toLowerCase();
    return readEntry(requestHeaders, ({ head }) => head.get(name));
  }
  if (queryParameters !== undefined) {
    const name = byteText(queryParameters.queryParameterName ?? "");
    return readEntry(queryParameters, ({ head }) => decodedQueryParameter(head.path, name));
  }
  if (metadata !== undefined) return compileMetadata(metadata);
  if (config.headerValueMatch !== undefined) return compileHeaderMatch(config.headerValueMatch);
  if (config.queryParameterValueMatch !== undefined)
    return compileQueryMatch(config.queryParameterValueMatch);
  if (config.remoteAddress !== undefined) return remoteAddress;
  if (config.maskedRemoteAddress !== undefined)
    return compileMaskedAddress(config.maskedRemoteAddress);
  if (config.sourceCluster !== undefined) return constant("source_cluster", nodeCluster);
  if (config.destinationCluster !== undefined) return destinationCluster;
  throw refuse("action_specifier", "is required");
}

function nameOr(configured: string | undefined, absent: string): string {
  return configured === undefined || configured === "" ? absent : configured;
}

function constant(key: string, value = ""): Action {
  const entry: DescriptorEntry = { key: byteText(key), value: byteText(value) };
  return () => entry;
}

function readEntry(
  { descriptorKey = "", skipIfAbsent = false }: { descriptorKey?: string; skipIfAbsent?: boolean },
  read: (source: DescriptorSource) => string | undefined,
): Action {
  const key = byteText(descriptorKey);
  return (source) => {
    const value = read(source);
    if (value !== undefined) return { key, value };
    return skipIfAbsent ? "skip" : undefined;
  };
}

function remoteAddress({ info }: DescriptorSource): DescriptorEntry | undefined {
  const { family, ip } = info.remote;
  return family === "pipe" ? undefined : { key: "remote_address", value: ip };
}

function compileMaskedAddress(config: RateLimit_Action_MaskedRemoteAddressJson): Action {
  const { v4PrefixMaskLen = 32, v6PrefixMaskLen = 128 } = config;
  return ({ info }) => {
    const { ip } = info.remote;
    // Undefined for a Unix socket's path; an IPv4-mapped address is an IPv4 one here.
    const family = parseIp(ip)?.family;
    if (family === undefined) return undefined;
    const prefixLen = family === 4 ? v4PrefixMaskLen : v6PrefixMaskLen;
    const value = cidrText(compileCidr({ addressPrefix: ip, prefixLen }));
    return { key: "masked_remote_address", value };
  };
}

function destinationCluster({ cluster }: DescriptorSource): DescriptorEntry | undefined {
  return cluster === undefined ? undefined : { key: "destination_cluster", value: cluster };
}

function compileHeaderMatch(config: RateLimit_Action_HeaderValueMatchJson): Action {
  const matchers = compileHeaderMatchers(config.headers);
  const { expectMatch = true } = config;
  const entry = constant(nameOr(config.descriptorKey, "header_match"), config.descriptorValue);
  return (source) =>
    matchers.every((matches) => matches(source.head)) === expectMatch ? entry(source) : undefined;
}

function compileQueryMatch(config: RateLimit_Action_QueryParameterValueMatchJson): Action {
  const matchers = compileQueryMatchers(config.queryParameters, decodedQueryParameter);
  const { expectMatch = true } = config;
  const entry = constant(nameOr(config.descriptorKey, "query_match"), config.descriptorValue);
  return (source) =>
    matchers.every((matches) => matches(source.head.path)) === expectMatch
      ? entry(source)
      : undefined;
}

function compileMetadata(config: RateLimit_Action_MetaDataJson): Action {
  const { metadataKey, defaultValue = "", source = "DYNAMIC" } = config;
  const namespace = metadataKey?.key ?? "";
  const path = (metadataKey?.path ?? []).map((segment) => segment.key ?? "");
  return readEntry(config, ({ info }) => {
    const metadata = source === "ROUTE_ENTRY" ? info.routeMetadata : info.dynamicMetadata;
    const value = metadataAt(metadata, namespace, path);
    const text = typeof value === "string" && value !== "" ? value : defaultValue;
    return text === "" ? undefined : byteText(text);
  });
}

/** `within` for a list of actions. */
export function compileRateLimitActions(
  configs: readonly RateLimit_ActionJson[] | undefined,
  nodeCluster: string,
): Action[] {
  return (configs ?? []).map((config, index) =>
    within(`actions[${index}]`, () => compileRateLimitAction(config, nodeCluster)),
  );
}
