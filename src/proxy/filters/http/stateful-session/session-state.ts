import type { TypedExtensionConfigJson } from "#gen/envoy/config/core/v3/extension_pb.js";
import type { CookieBasedSessionStateJson } from "#gen/envoy/extensions/http/stateful_session/cookie/v3/cookie_pb.js";
import type { HeaderBasedSessionStateJson } from "#gen/envoy/extensions/http/stateful_session/header/v3/header_pb.js";
import type { HeaderList } from "#http/headers.ts";
import type { RequestHead } from "#http/message.ts";

import type { Clock } from "#lib/clock.ts";
import { refuse, within } from "#lib/config-error.ts";
import { durationMs } from "#lib/duration.ts";
import { cookieValue, setCookieValue } from "../../../cookies.ts";
import { byteText } from "../../../matching/byte-text.ts";
import { decodeCookieMessage, encodeCookieMessage } from "./cookie-message.ts";

/** Where a session's host is written down. */
export interface SessionState {
  /** Requests outside have no session, even when they name a host. */
  covers(head: RequestHead): boolean;
  /** "ip:port"; undefined: the request names none. */
  addressIn(head: RequestHead): string | undefined;
  /** Tells the client where its session is now. */
  write(address: string, headers: HeaderList): void;
}

const packageName = "envoy.extensions.http.stateful_session";

export function compileSessionState(
  { typedConfig }: TypedExtensionConfigJson,
  clock: Clock,
): SessionState {
  const url = String(typedConfig?.["@type"]);
  // The loader checked the configuration against the descriptor of the type that it names.
  switch (url.slice(url.lastIndexOf("/") + 1)) {
    case `${packageName}.cookie.v3.CookieBasedSessionState`:
      return compileCookie(typedConfig as CookieBasedSessionStateJson, clock);
    case `${packageName}.header.v3.HeaderBasedSessionState`:
      return compileHeader(typedConfig as HeaderBasedSessionStateJson);
    default:
      throw refuse("typed_config", `${url} is not supported by Heddle`);
  }
}

function compileHeader(config: HeaderBasedSessionStateJson): SessionState {
  const name = byteText(config.name ?? "").toLowerCase();
  if (name === "") throw refuse("name", "is required");
  return {
    covers: () => true,
    addressIn(head) {
      const value = head.headers.get(name);
      return value === undefined ? undefined : decoded(value)?.toString("latin1");
    },
    write(address, headers) {
      headers.set(name, Buffer.from(address, "latin1").toString("base64"));
    },
  };
}

function compileCookie({ cookie = {} }: CookieBasedSessionStateJson, clock: Clock): SessionState {
  const name = byteText(cookie.name ?? "");
  if (name === "") throw refuse("cookie.name", "is required");
  const path = byteText(cookie.path ?? "");
  const ttlMs = within("cookie.ttl", () => durationMs(cookie.ttl, 0));
  const maxAgeSeconds = Math.floor(ttlMs / 1000);
  const attributes = (cookie.attributes ?? []).map((attribute) => ({
    name: byteText(attribute.name ?? ""),
    value: byteText(attribute.value ?? ""),
  }));
  const nowSeconds = (): number => Math.floor(clock.wallMs() / 1000);
  return {
    covers: pathMatcher(path),
    addressIn(head) {
      const value = cookieValue(head.headers, name);
      const bytes = value === undefined ? undefined : decoded(value);
      if (bytes === undefined) return undefined;
      const message = decodeCookieMessage(bytes);
      // Older cookies are the bare address.
      if (message === undefined) return bytes.toString("latin1");
      if (message.expires !== 0 && nowSeconds() > message.expires) return undefined;
      return message.address === "" ? undefined : message.address;
    },
    write(address, headers) {
      const expires = maxAgeSeconds === 0 ? 0 : nowSeconds() + maxAgeSeconds;
      const value = encodeCookieMessage({ address, expires });
      headers.add("set-cookie", setCookieValue({ name, value, path, maxAgeSeconds, attributes }));
    },
  };
}

/** RFC 6265 §5.1.4: a cookie's path is the request's or stands above it. */
function pathMatcher(path: string): (head: RequestHead) => boolean {
  if (path === "" || path === "/") return () => true;
  if (path.endsWith("/")) return (head) => head.path.startsWith(path);
  return (head) => {
    if (!head.path.startsWith(path)) return false;
    const next = head.path[path.length];
    return next === undefined || next === "/" || next === "?" || next === "#";
  };
}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Undefined: it is not base64, or of nothing. */
function decoded(text: string): Buffer | undefined {
  return text === "" || !base64.test(text) ? undefined : Buffer.from(text, "base64");
}
