import type {
  PermissionJson,
  PolicyJson,
  PrincipalJson,
  RBACJson,
} from "#gen/envoy/config/rbac/v3/rbac_pb.js";
import { HeaderList } from "#http/headers.ts";
import type { RequestHead } from "#http/message.ts";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import type { Address } from "#net/address.ts";
import { cidrContains, compileCidr } from "../matching/cidr.ts";
import { compileHeaderMatcher, type MatchedMessage } from "../matching/header-matcher.ts";
import { compileMetadataMatcher } from "../matching/metadata-matcher.ts";
import { compileStringMatcher } from "../matching/string-matcher.ts";
import type { StreamInfo } from "../stream-info.ts";
import { compileCondition } from "./condition.ts";

/** What a rule may look at. On a TCP connection there is no head: header rules see an empty one. */
export interface Subject {
  readonly head: RequestHead | undefined;
  readonly info: StreamInfo;
}

type Predicate = (subject: Subject) => boolean;

/** `policy`: the first that matched, in name order, as Envoy; undefined: none did. */
export interface Outcome {
  readonly allowed: boolean;
  readonly policy: string | undefined;
}

export interface Engine {
  readonly action: "ALLOW" | "DENY" | "LOG";
  evaluate(subject: Subject): Outcome;
}

interface CompiledPolicy {
  readonly name: string;
  readonly matches: Predicate;
  /** One object for each outcome: evaluation allocates nothing. */
  readonly matched: Outcome;
}

/** Rules to closures: OR over policies, each OR(permissions) AND OR(principals) AND its condition. */
export function compileRules(config: RBACJson): Engine {
  const action = (config.action ?? "ALLOW") as Engine["action"];
  const names = Object.keys(config.policies ?? {}).sort();
  const policies = compileEach("policies", names, (name): CompiledPolicy => {
    const matches = compilePolicy(config.policies?.[name] ?? {});
    return { name, matches, matched: { allowed: action !== "DENY", policy: name } };
  });
  const unmatched: Outcome = { allowed: action !== "ALLOW", policy: undefined };
  return {
    action,
    evaluate: (subject) => {
      for (const policy of policies) if (policy.matches(subject)) return policy.matched;
      return unmatched;
    },
  };
}

function compilePolicy(config: PolicyJson): Predicate {
  if (config.checkedCondition !== undefined && config.condition === undefined)
    throw refuse("checked_condition", "is not supported: give condition");
  const permissions = compileEach("permissions", config.permissions, compilePermission);
  const principals = compileEach("principals", config.principals, compilePrincipal);
  const { condition } = config;
  const holds =
    condition === undefined ? undefined : within("condition", () => compileCondition(condition));
  const allowed = anyOf(permissions);
  const known = anyOf(principals);
  if (holds === undefined) return (subject) => allowed(subject) && known(subject);
  return (subject) => allowed(subject) && known(subject) && holds(subject);
}

function anyOf(predicates: readonly Predicate[]): Predicate {
  const [only] = predicates;
  if (predicates.length === 1 && only !== undefined) return only;
  return (subject) => {
    for (const predicate of predicates) if (predicate(subject)) return true;
    return false;
  };
}

function allOf(predicates: readonly Predicate[]): Predicate {
  return (subject) => {
    for (const predicate of predicates) if (!predicate(subject)) return false;
    return true;
  };
}

const noMessage: MatchedMessage = { get: () => undefined, headers: new HeaderList() };

function compilePermission(config: PermissionJson): Predicate {
  const {
    andRules,
    orRules,
    notRule,
    header,
    urlPath,
    destinationIp,
    destinationPort,
    destinationPortRange,
    metadata,
    requestedServerName,
  } = config;
  if (config.any === true) return () => true;
  if (andRules !== undefined)
    return allOf(compileEach("and_rules.rules", andRules.rules, compilePermission));
  if (orRules !== undefined)
    return anyOf(compileEach("or_rules.rules", orRules.rules, compilePermission));
  if (notRule !== undefined) return not(within("not_rule", () => compilePermission(notRule)));
  if (header !== undefined) return headerRule(header);
  if (urlPath !== undefined) return pathRule(urlPath);
  if (destinationIp !== undefined)
    return addressRule(destinationIp, ({ info }) => info.downstream.local);
  if (destinationPort !== undefined)
    return ({ info }) => info.downstream.local.port === destinationPort;
  if (destinationPortRange !== undefined) {
    const { start = 0, end = 0 } = destinationPortRange;
    return ({ info }) => info.downstream.local.port >= start && info.downstream.local.port < end;
  }
  if (metadata !== undefined) return metadataRule(metadata);
  if (config.sourcedMetadata !== undefined) return sourcedRule(config.sourcedMetadata);
  if (requestedServerName !== undefined) {
    const matches = within("requested_server_name", () =>
      compileStringMatcher(requestedServerName),
    );
    return ({ info }) => matches(info.downstream.requestedServerName ?? "");
  }
  throw refuse("rule", "this kind of permission is not supported");
}

function compilePrincipal(config: PrincipalJson): Predicate {
  const {
    andIds,
    orIds,
    notId,
    authenticated,
    sourceIp,
    directRemoteIp,
    remoteIp,
    header,
    urlPath,
    metadata,
  } = config;
  if (config.any === true) return () => true;
  if (andIds !== undefined) return allOf(compileEach("and_ids.ids", andIds.ids, compilePrincipal));
  if (orIds !== undefined) return anyOf(compileEach("or_ids.ids", orIds.ids, compilePrincipal));
  if (notId !== undefined) return not(within("not_id", () => compilePrincipal(notId)));
  if (authenticated !== undefined) return authenticatedRule(authenticated);
  if (sourceIp !== undefined) return addressRule(sourceIp, ({ info }) => info.downstream.remote);
  if (directRemoteIp !== undefined)
    return addressRule(directRemoteIp, ({ info }) => info.downstream.directRemote);
  if (remoteIp !== undefined) return addressRule(remoteIp, ({ info }) => info.remote);
  if (header !== undefined) return headerRule(header);
  if (urlPath !== undefined) return pathRule(urlPath);
  if (metadata !== undefined) return metadataRule(metadata);
  if (config.sourcedMetadata !== undefined) return sourcedRule(config.sourcedMetadata);
  throw refuse("identifier", "this kind of principal is not supported");
}

function not(predicate: Predicate): Predicate {
  return (subject) => !predicate(subject);
}

function headerRule(config: NonNullable<PermissionJson["header"]>): Predicate {
  const matches = within("header", () => compileHeaderMatcher(config));
  return ({ head }) => matches(head ?? noMessage);
}

function pathRule(config: NonNullable<PermissionJson["urlPath"]>): Predicate {
  const { path } = config;
  if (path === undefined) throw refuse("url_path.path", "is required");
  const matches = within("url_path.path", () => compileStringMatcher(path));
  return ({ head }) => {
    const full = head?.path ?? "";
    const end = full.search(/[?#]/);
    return matches(end === -1 ? full : full.slice(0, end));
  };
}

function addressRule(
  config: NonNullable<PermissionJson["destinationIp"]>,
  address: (subject: Subject) => Address,
): Predicate {
  const cidr = compileCidr(config);
  return (subject) => cidrContains(cidr, address(subject).ip);
}

function metadataRule(config: NonNullable<PermissionJson["metadata"]>): Predicate {
  const matches = within("metadata", () => compileMetadataMatcher(config));
  return ({ info }) => matches(info.dynamicMetadata);
}

/** Metadata of the request, or of the route it matched. */
function sourcedRule(config: NonNullable<PermissionJson["sourcedMetadata"]>): Predicate {
  const { metadataMatcher } = config;
  if (metadataMatcher === undefined)
    throw refuse("sourced_metadata.metadata_matcher", "is required");
  const matches = within("sourced_metadata.metadata_matcher", () =>
    compileMetadataMatcher(metadataMatcher),
  );
  if (config.metadataSource === "ROUTE") return ({ info }) => matches(info.routeMetadata);
  return ({ info }) => matches(info.dynamicMetadata);
}

/** A peer with a certificate; with a name: any URI SAN, else any DNS SAN, else the subject. */
function authenticatedRule(config: NonNullable<PrincipalJson["authenticated"]>): Predicate {
  const { principalName } = config;
  if (principalName === undefined) return ({ info }) => info.downstream.tls?.peerPresented === true;
  const matches = within("authenticated.principal_name", () => compileStringMatcher(principalName));
  return ({ info }) => {
    const { tls } = info.downstream;
    if (tls === undefined || !tls.peerPresented) return false;
    if (tls.peerUriSans.length > 0 || tls.peerDnsSans.length > 0)
      return tls.peerUriSans.some(matches) || tls.peerDnsSans.some(matches);
    return matches(tls.peerSubject);
  };
}
