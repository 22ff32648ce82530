import type { PermissionJson, PrincipalJson } from "#gen/envoy/config/rbac/v3/rbac_pb.js";
import type { UriTemplateMatchConfigJson } from "#gen/envoy/extensions/path/match/uri_template/v3/uri_template_match_pb.js";
import { HeaderList } from "#http/headers.ts";
import type { RequestHead } from "#http/message.ts";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import type { Address } from "#net/address.ts";
import { cidrContains, compileCidr } from "../matching/cidr.ts";
import { compileFilterStateMatcher } from "../matching/filter-state-matcher.ts";
import { compileHeaderMatcher, type MatchedMessage } from "../matching/header-matcher.ts";
import { compileMetadataMatcher } from "../matching/metadata-matcher.ts";
import { compilePathMatcher, pathEnd } from "../matching/path-matcher.ts";
import { compileStringMatcher } from "../matching/string-matcher.ts";
import { compileUriTemplate } from "../matching/uri-template.ts";
import type { StreamInfo } from "../stream-info.ts";

export type Predicate = (info: StreamInfo, head: RequestHead | undefined) => boolean;

export function anyOf(predicates: readonly Predicate[]): Predicate {
  const [only] = predicates;
  if (predicates.length === 1 && only !== undefined) return only;
  return (info, head) => {
    for (const predicate of predicates) if (predicate(info, head)) return true;
    return false;
  };
}

function allOf(predicates: readonly Predicate[]): Predicate {
  return (info, head) => {
    for (const predicate of predicates) if (!predicate(info, head)) return false;
    return true;
  };
}

function not(predicate: Predicate): Predicate {
  return (info, head) => !predicate(info, head);
}

export function compilePermission(config: PermissionJson): Predicate {
  const { andRules, orRules, notRule, destinationIp, destinationPort, destinationPortRange } =
    config;
  if (andRules !== undefined)
    return allOf(compileEach("and_rules.rules", andRules.rules, compilePermission));
  if (orRules !== undefined)
    return anyOf(compileEach("or_rules.rules", orRules.rules, compilePermission));
  if (notRule !== undefined) return not(within("not_rule", () => compilePermission(notRule)));
  if (destinationIp !== undefined)
    return addressRule("destination_ip", destinationIp, ({ downstream }) => downstream.local);
  if (destinationPort !== undefined)
    return ({ downstream }) => downstream.local.port === destinationPort;
  if (destinationPortRange !== undefined)
    return within("destination_port_range", () => portRangeRule(destinationPortRange));
  const { requestedServerName, uriTemplate } = config;
  if (requestedServerName !== undefined) {
    const matches = within("requested_server_name", () =>
      compileStringMatcher(requestedServerName),
    );
    return ({ downstream }) => matches(downstream.requestedServerName ?? "");
  }
  if (uriTemplate !== undefined)
    return within("uri_template.typed_config", () => uriTemplateRule(uriTemplate));
  return sharedRule(config) ?? unsupported("rule", "permission");
}

export function compilePrincipal(config: PrincipalJson): Predicate {
  const { andIds, orIds, notId, authenticated, sourceIp, directRemoteIp, remoteIp, filterState } =
    config;
  if (andIds !== undefined) return allOf(compileEach("and_ids.ids", andIds.ids, compilePrincipal));
  if (orIds !== undefined) return anyOf(compileEach("or_ids.ids", orIds.ids, compilePrincipal));
  if (notId !== undefined) return not(within("not_id", () => compilePrincipal(notId)));
  if (authenticated !== undefined) return authenticatedRule(authenticated);
  if (sourceIp !== undefined)
    return addressRule("source_ip", sourceIp, ({ downstream }) => downstream.remote);
  if (directRemoteIp !== undefined)
    return addressRule(
      "direct_remote_ip",
      directRemoteIp,
      ({ downstream }) => downstream.directRemote,
    );
  if (remoteIp !== undefined) return addressRule("remote_ip", remoteIp, ({ remote }) => remote);
  if (filterState !== undefined) {
    const matches = within("filter_state", () => compileFilterStateMatcher(filterState));
    return (info) => matches(info.filterState);
  }
  return sharedRule(config) ?? unsupported("identifier", "principal");
}

/** What permissions and principals have in common. */
function sharedRule(config: PermissionJson & PrincipalJson): Predicate | undefined {
  const { header, urlPath, metadata, sourcedMetadata } = config;
  if (config.any === true) return () => true;
  if (header !== undefined) return headerRule(header);
  if (urlPath !== undefined) return pathRule(urlPath);
  if (metadata !== undefined) {
    const matches = within("metadata", () => compileMetadataMatcher(metadata));
    return (info) => matches(info.dynamicMetadata);
  }
  return sourcedMetadata === undefined ? undefined : sourcedRule(sourcedMetadata);
}

function unsupported(field: string, what: string): never {
  throw refuse(field, `this kind of ${what} is not supported`);
}

const noMessage: MatchedMessage = { get: () => undefined, headers: new HeaderList() };

function headerRule(config: NonNullable<PermissionJson["header"]>): Predicate {
  const matches = within("header", () => compileHeaderMatcher(config));
  return (_info, head) => matches(head ?? noMessage);
}

function pathRule({ path }: NonNullable<PermissionJson["urlPath"]>): Predicate {
  if (path === undefined) throw refuse("url_path.path", "is required");
  const matches = within("url_path.path", () => compilePathMatcher(path));
  return (_info, head) => head !== undefined && matches(head.path, pathEnd(head.path));
}

const uriTemplateType =
  "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig";

function uriTemplateRule({ typedConfig }: NonNullable<PermissionJson["uriTemplate"]>): Predicate {
  if (typedConfig?.["@type"] !== uriTemplateType)
    throw refuse("@type", `${uriTemplateType} is the only one`);
  // The type is checked above, and its fields by the loader.
  const { pathTemplate = "" } = typedConfig as UriTemplateMatchConfigJson;
  const template = compileUriTemplate(pathTemplate);
  return (_info, head) => head !== undefined && template.matches(head.path, pathEnd(head.path));
}

function portRangeRule({
  start = 0,
  end = 0,
}: NonNullable<PermissionJson["destinationPortRange"]>): Predicate {
  for (const [name, value] of Object.entries({ start, end }))
    if (value < 0 || value > 65_536) throw refuse(name, `range ${name} ${value} is out of bounds`);
  if (start >= end)
    throw refuse("", `range start ${start} cannot be greater or equal than range end ${end}`);
  return ({ downstream: { local } }) => local.port >= start && local.port < end;
}

function addressRule(
  field: string,
  config: NonNullable<PermissionJson["destinationIp"]>,
  address: (info: StreamInfo) => Address,
): Predicate {
  const cidr = within(field, () => compileCidr(config));
  return (info) => cidrContains(cidr, address(info).ip);
}

/** Metadata of the request, or of the route it matched. */
function sourcedRule(config: NonNullable<PermissionJson["sourcedMetadata"]>): Predicate {
  const { metadataMatcher } = config;
  if (metadataMatcher === undefined)
    throw refuse("sourced_metadata.metadata_matcher", "is required");
  const matches = within("sourced_metadata.metadata_matcher", () =>
    compileMetadataMatcher(metadataMatcher),
  );
  if (config.metadataSource === "ROUTE") return (info) => matches(info.routeMetadata);
  return (info) => matches(info.dynamicMetadata);
}

/**
 * A TLS connection; with a name: any URI SAN, any DNS SAN or the subject, as in Envoy. Whether a certificate is demanded is said by the
 * TLS configuration: without one the name is empty.
 */
function authenticatedRule({
  principalName,
}: NonNullable<PrincipalJson["authenticated"]>): Predicate {
  if (principalName === undefined) return ({ downstream }) => downstream.tls !== undefined;
  const matches = within("authenticated.principal_name", () => compileStringMatcher(principalName));
  return ({ downstream: { tls } }) =>
    tls !== undefined &&
    (tls.peerUriSans.some(matches) || tls.peerDnsSans.some(matches) || matches(tls.peerSubject));
}
