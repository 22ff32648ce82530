import type {
  RouteAction_HashPolicy_CookieJson,
  RouteAction_HashPolicy_HeaderJson,
  RouteAction_HashPolicyJson,
} from "#gen/envoy/config/route/v3/route_components_pb.js";
import type { HashPolicyJson } from "#gen/envoy/type/v3/hash_policy_pb.js";
import type { HeaderList } from "#http/headers.ts";
import type { RequestHead } from "#http/message.ts";
import { compileEach, refuse, within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import { Word64 } from "#lib/word64.ts";
import { addressText } from "#net/address.ts";
import { type HashPolicy, hashMoreText, hashText } from "../balancer/hash-policy.ts";
import { cookieValue, setCookieValue } from "../cookies.ts";
import { HashableString } from "../hashable.ts";
import { byteText } from "../matching/byte-text.ts";
import { queryParameter } from "../matching/query-parameters.ts";
import type { StreamInfo } from "../stream-info.ts";
import { compileSubstitution } from "./rewrite.ts";

interface Method {
  readonly hash: HashPolicy;
  /** When there is a hash by now, the methods after this one are not asked. */
  readonly terminal: boolean;
}

/** Undefined: there is no policy. */
export function compileHashPolicy(
  configs: readonly RouteAction_HashPolicyJson[] | undefined,
): HashPolicy | undefined {
  if (configs === undefined || configs.length === 0) return undefined;
  const methods = compileEach("hash_policy", configs, (config) => ({
    hash: compileMethod(config),
    terminal: config.terminal === true,
  }));
  return combined(methods);
}

/** Of a TCP proxy. */
export function compileConnectionHashPolicy(
  configs: readonly HashPolicyJson[] | undefined,
): HashPolicy | undefined {
  if (configs === undefined || configs.length === 0) return undefined;
  const methods = compileEach("hash_policy", configs, ({ sourceIp, filterState }) => {
    if (sourceIp !== undefined) return { hash: hashSourceIp, terminal: false };
    if (filterState === undefined) throw refuse("policy_specifier", "is required");
    return { hash: filterStateMethod(filterState.key ?? ""), terminal: false };
  });
  return combined(methods);
}

const part = new Word64();

/** Rotating before each exclusive or keeps two equal methods from cancelling each other out. */
function combined(methods: readonly Method[]): HashPolicy {
  const [only] = methods;
  if (methods.length === 1 && only !== undefined) return only.hash;
  return (into, head, info) => {
    let found = false;
    for (const { hash, terminal } of methods) {
      if (hash(part, head, info)) {
        if (found) into.rotateLeft(1).xor(part.high, part.low);
        else into.copy(part);
        found = true;
      }
      if (terminal && found) break;
    }
    return found;
  };
}

function compileMethod(config: RouteAction_HashPolicyJson): HashPolicy {
  const { header, cookie, connectionProperties, queryParameter: query, filterState } = config;
  if (header !== undefined) return within("header", () => headerMethod(header));
  if (cookie !== undefined) return within("cookie", () => cookieMethod(cookie));
  if (connectionProperties !== undefined)
    return connectionProperties.sourceIp === true ? hashSourceIp : () => false;
  if (query !== undefined) {
    const name = byteText(query.name ?? "");
    return (into, head) => hashIfThere(into, head && queryParameter(head.path, name));
  }
  if (filterState !== undefined) return filterStateMethod(filterState.key ?? "");
  throw refuse("policy_specifier", "is required");
}

function hashIfThere(into: Word64, text: string | undefined): boolean {
  if (text === undefined) return false;
  hashText(into, text);
  return true;
}

const hashSourceIp: HashPolicy = (into, _head, { remote }) => {
  if (remote.family === "pipe") return false;
  hashText(into, remote.ip);
  return true;
};

function filterStateMethod(key: string): HashPolicy {
  return (into, _head, { filterState }) => {
    const state = filterState?.get(key);
    return state instanceof HashableString && hashIfThere(into, state.toString());
  };
}

/** All values of the field, in an order of their own: proxies before us may change theirs. */
function headerMethod(config: RouteAction_HashPolicy_HeaderJson): HashPolicy {
  const { headerName = "", regexRewrite } = config;
  const name = headerName.toLowerCase();
  if (regexRewrite !== undefined) {
    const substitute = compileSubstitution("regex_rewrite", regexRewrite);
    return (into, head) =>
      head !== undefined && hashAll(into, valuesOf(head, name).map(substitute));
  }
  return (into, head) => {
    if (head === undefined) return false;
    const first = head.get(name);
    if (first === undefined || !repeats(head, name)) return hashIfThere(into, first);
    return hashAll(into, head.headers.getAll(name));
  };
}

function valuesOf(head: RequestHead, name: string): readonly string[] {
  const values = head.headers.getAll(name);
  if (values.length > 0) return values;
  const pseudo = head.get(name);
  return pseudo === undefined ? [] : [pseudo];
}

function hashAll(into: Word64, values: string[]): boolean {
  into.set(0, 0);
  for (const value of values.sort()) hashMoreText(into, value);
  return values.length > 0;
}

function repeats(head: RequestHead, name: string): boolean {
  const { list } = head.headers;
  let seen = false;
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] !== name) continue;
    if (seen) return true;
    seen = true;
  }
  return false;
}

function cookieMethod(config: RouteAction_HashPolicy_CookieJson): HashPolicy {
  const name = byteText(config.name ?? "");
  const { ttl } = config;
  if (ttl === undefined) return (into, head) => hashIfThere(into, givenCookie(head, name));
  const parts = {
    name,
    path: byteText(config.path ?? ""),
    maxAgeSeconds: Math.floor(within("ttl", () => durationMs(ttl)) / 1000),
    attributes: (config.attributes ?? []).map((attribute) => ({
      name: byteText(attribute.name ?? ""),
      value: byteText(attribute.value ?? ""),
    })),
  };
  return (into, head, info) => {
    if (hashIfThere(into, givenCookie(head, name))) return true;
    const value = connectionValue(into, info);
    const text = setCookieValue({ ...parts, value });
    info.hashCookies ??= [];
    // A retry asks anew.
    if (!info.hashCookies.includes(text)) info.hashCookies.push(text);
    hashText(into, value);
    return true;
  };
}

/** An empty cookie is as good as none. */
function givenCookie(head: RequestHead | undefined, name: string): string | undefined {
  const value = head === undefined ? undefined : cookieValue(head.headers, name);
  return value === "" ? undefined : value;
}

/** The same for all requests of a connection: those that race each other shall get the same cookie. */
function connectionValue(into: Word64, { downstream }: StreamInfo): string {
  hashText(into, addressText(downstream.remote) + addressText(downstream.local));
  return into.hex;
}

/** The cookies that were made for a request's hash go out with its response. */
export function addHashCookies(headers: HeaderList, { hashCookies }: StreamInfo): void {
  if (hashCookies === undefined) return;
  for (const cookie of hashCookies) headers.add("set-cookie", cookie);
}
