import type { HeaderList } from "#http/headers.ts";

const both =
  "cache-control content-encoding content-type proxy-status via x-envoy-attempt-count x-envoy-decorator-operation x-request-id";

/** Request fields that Envoy keeps in one place, joining the values of several with ",". Any other field's values stay apart. */
export const inlineRequestHeaders: ReadonlySet<string> = new Set(
  (
    `${both} accept accept-encoding access-control-request-headers access-control-request-method ` +
    "access-control-request-private-network authorization expect grpc-accept-encoding grpc-timeout if-match if-modified-since " +
    "if-none-match if-range if-unmodified-since origin pragma referer user-agent x-client-trace-id x-forwarded-client-cert " +
    "x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-proto x-envoy-downstream-service-cluster " +
    "x-envoy-downstream-service-node x-envoy-expected-rq-timeout-ms x-envoy-external-address x-envoy-force-trace " +
    "x-envoy-hedge-on-per-try-timeout x-envoy-internal x-envoy-ip-tags x-envoy-is-timeout-retry x-envoy-max-retries " +
    "x-envoy-original-host x-envoy-original-path x-envoy-original-url x-envoy-retriable-header-names " +
    "x-envoy-retriable-status-codes x-envoy-retry-grpc-on x-envoy-retry-on x-envoy-upstream-alt-stat-name " +
    "x-envoy-upstream-rq-per-try-timeout-ms x-envoy-upstream-rq-timeout-alt-response x-envoy-upstream-rq-timeout-ms " +
    "x-envoy-upstream-stream-duration-ms"
  ).split(" "),
);

export const inlineResponseHeaders: ReadonlySet<string> = new Set(
  (
    `${both} access-control-allow-credentials access-control-allow-headers access-control-allow-methods ` +
    "access-control-allow-origin access-control-allow-private-network access-control-expose-headers access-control-max-age " +
    "age date etag expires grpc-message grpc-status last-modified location server vary x-envoy-degraded " +
    "x-envoy-immediate-health-check-fail x-envoy-ratelimited x-envoy-upstream-canary x-envoy-upstream-healthchecked-cluster " +
    "x-envoy-upstream-service-time"
  ).split(" "),
);

// Up to here looking back for the same name is faster than any table; beyond, a stranger could make it slow.
const lookBackMax = 2 * 48;

/** Makes one field of several with the same name, where the first is (RFC 9110 §5.3). Most messages have none. */
export function joinRepeated(headers: HeaderList, inline: ReadonlySet<string>): void {
  const { list } = headers;
  const { length } = list;
  if (length > lookBackMax) {
    join(list, inline);
    return;
  }
  // One bit for each kind of name seen: most names are the first of theirs, and nobody looks back.
  let seen = 0;
  for (let i = 0; i < length; i += 2) {
    const name = list[i] as string;
    const bit = 1 << ((name.length * 5 + name.charCodeAt(name.length - 1)) & 31);
    if ((seen & bit) !== 0 && stoodBefore(list, i) && inline.has(name)) {
      join(list, inline);
      return;
    }
    seen |= bit;
  }
}

function stoodBefore(list: readonly string[], at: number): boolean {
  const name = list[at];
  for (let i = 0; i < at; i += 2) if (list[i] === name) return true;
  return false;
}

function join(list: string[], inline: ReadonlySet<string>): void {
  const places = new Map<string, number>();
  let kept = 0;
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i] ?? "";
    const value = list[i + 1] ?? "";
    const place = places.get(name);
    if (place !== undefined) {
      const before = list[place] ?? "";
      if (value !== "") list[place] = before === "" ? value : `${before},${value}`;
      continue;
    }
    list[kept] = name;
    list[kept + 1] = value;
    if (inline.has(name)) places.set(name, kept + 1);
    kept += 2;
  }
  list.length = kept;
}
