/** What a stat's name says about one cluster, response code or listener, cut out of it: Prometheus shows it as a label. */
export interface TaggedName {
  readonly name: string;
  readonly tags: readonly (readonly [label: string, value: string])[];
}

/** A part of a name to cut out, and the label's value. */
export interface Found {
  readonly start: number;
  readonly end: number;
  readonly value: string;
}

export interface TagRule {
  readonly label: string;
  find(name: string): Found | undefined;
}

/**
 * Envoy's default tags, in the order of their labels. Learnt from the names and series of Envoy 1.40 (testdata/envoy-series.txt). The
 * patterns are ours, not a user's: none repeats inside a repeat, so they cannot backtrack far.
 */
export const defaultRules: readonly TagRule[] = [
  byRegex("envoy.response_code", /_rq(_(\d{3}))$/d),
  byRegex("envoy.response_code_class", /_rq_((\d))xx$/d),
  byTokens("envoy.grpc_bridge_method", "cluster.*.grpc.*.$.**"),
  byTokens("envoy.grpc_bridge_service", "cluster.*.grpc.$.**"),
  byTokens("envoy.virtual_cluster", "vhost.*.vcluster.$.**"),
  byTokens("envoy.fault_downstream_cluster", "http.*.fault.$.**"),
  byRegex("envoy.ssl_cipher", /^listener\..*?\.ssl\.ciphers?(\.(.*))$/d),
  byRegex("cipher_suite", /^cluster\..*?\.ssl\.ciphers(\.(.*))$/d),
  byRegex("envoy.ssl_curve", /^(?:listener|cluster)\..*?\.ssl\.curves(\.(.*))$/d),
  byRegex("envoy.ssl_sigalg", /^(?:listener|cluster)\..*?\.ssl\.sigalgs(\.(.*))$/d),
  byRegex("envoy.ssl_version", /^(?:listener|cluster)\..*?\.ssl\.versions(\.(.*))$/d),
  byRegex("envoy.tls_certificate", /^(?:listener|cluster)\..*?\.ssl\.certificate\.((.*?)\.)\w+$/d),
  byTokens("envoy.tcp_prefix", "tcp.$.**"),
  byTokens("envoy.udp_prefix", "udp.$.**"),
  byTokens("envoy.ratelimit_prefix", "ratelimit.$.**"),
  byTokens("envoy.local_http_ratelimit_prefix", "$.http_local_rate_limit.**"),
  byTokens("envoy.local_network_ratelimit_prefix", "local_rate_limit.$.**"),
  byTokens("envoy.local_listener_ratelimit_prefix", "listener_local_ratelimit.$.**"),
  byTokens("envoy.connection_limit_prefix", "connection_limit.$.**"),
  byTokens("envoy.proxy_protocol_prefix", "proxy_proto.$.**"),
  byRegex("envoy.proxy_protocol_version", /^proxy_proto\.(?:[^.]+\.)?(versions\.v(\d)\.)/d),
  byRegex("envoy.rbac_policy_name", /^http\.[^.]+\.rbac\.(?:[^.]+\.)?policy\.((.*?)\.)\w+$/d),
  byRegex("envoy.rbac_http_prefix", /^http\.[^.]+\.rbac\.(?!policy\.)(([^.]+)\.)/d),
  byTokens("envoy.rbac_prefix", "$.rbac.**"),
  byTokens("envoy.ext_authz_prefix", "http.*.ext_authz.$.**"),
  byRegex("envoy.rds_route_config", /^http\.[^.]+\.rds\.((.*)\.)\w+$/d),
  byTokens("envoy.cluster_name", "cluster.$.**"),
  byRegex("envoy.http_conn_manager_prefix", /^listener\..*?\.http\.(([^.]+)\.)/d),
  byTokens("envoy.http_conn_manager_prefix", "http.$.**"),
  byRegex("envoy.worker_id", /^listener\.(?:\d+\.\d+\.\d+\.\d+_\d+|[^.]+)\.worker(_(\d+))\./d),
  byRegex("envoy.worker_id", /^(?:server|thread_local_cluster_manager)\.worker(_(\d+))\./d),
  // The admin port's listener is no listener of the user's.
  byRegex("envoy.listener_address", /^listener\.(?!admin\.)((\d+\.\d+\.\d+\.\d+_\d+|[^.]+)\.)/d),
  byTokens("envoy.virtual_host", "vhost.$.**"),
  byTokens("envoy.route", "vhost.*.route.$.**"),
];

/** Cuts tags out of names. Every rule sees the whole name; of two rules for one label the first that finds it counts. */
export function extractTags(name: string, rules: readonly TagRule[] = defaultRules): TaggedName {
  const tags: (readonly [string, string])[] = [];
  const cuts: Found[] = [];
  for (const rule of rules) {
    if (tags.some(([label]) => label === rule.label)) continue;
    const found = rule.find(name);
    if (found === undefined) continue;
    tags.push([rule.label, found.value]);
    cuts.push(found);
  }
  return { name: without(name, cuts), tags };
}

function without(name: string, cuts: readonly Found[]): string {
  let kept = "";
  let at = 0;
  for (const { start, end } of [...cuts].sort((a, b) => a.start - b.start)) {
    if (start > at) kept += name.slice(at, start);
    at = Math.max(at, end);
  }
  return kept + name.slice(at);
}

/** Group 1 is cut out, group 2 is the value. */
function byRegex(label: string, pattern: RegExp): TagRule {
  return {
    label,
    find(name) {
      const match = pattern.exec(name);
      const range = match?.indices?.[1];
      const value = match?.[2];
      if (range === undefined || value === undefined) return undefined;
      return { start: range[0], end: range[1], value };
    },
  };
}

/** `*` is one part of a name, `$` the part that is the tag, `**` at least one more. */
function byTokens(label: string, tokens: string): TagRule {
  const parts = tokens.split(".").map((token) => {
    if (token === "**") return ".+";
    if (token === "$") return "(([^.]+)\\.)";
    return token === "*" ? "[^.]+\\." : `${token}\\.`;
  });
  return byRegex(label, new RegExp(`^${parts.join("")}$`, "d"));
}
