/** Envoy's default tag extraction: what a stat's name says about one cluster, code or listener becomes a label. */
export interface TaggedName {
  readonly name: string;
  readonly tags: readonly (readonly [label: string, value: string])[];
}

interface Rule {
  readonly label: string;
  /** Group 1 is cut out of the name, group 2 (or 1) is the value. */
  readonly pattern: RegExp;
}

/** In Envoy's order, which is the order of the labels. These patterns are ours, not a user's: they cannot backtrack far. */
const rules: readonly Rule[] = [
  { label: "envoy_response_code", pattern: /_rq(_(\d{3}))$/ },
  { label: "envoy_response_code_class", pattern: /_rq(_(\d))xx$/ },
  { label: "envoy_http_conn_manager_prefix", pattern: /^(?:listener\.(?:.*?)\.)?http\.((.*?)\.)/ },
  { label: "envoy_tcp_prefix", pattern: /^tcp\.((.*?)\.)\w+$/ },
  { label: "envoy_rbac_prefix", pattern: /\.rbac\.((?!allowed|denied|shadow|policy)(.*?)\.)/ },
  { label: "envoy_local_network_ratelimit_prefix", pattern: /^local_rate_limit\.((.*?)\.)/ },
  { label: "envoy_connection_limit_prefix", pattern: /^connection_limit\.((.*?)\.)/ },
  {
    label: "envoy_cluster_name",
    pattern: /^cluster\.((.*?)\.)(?:external|internal|circuit_breakers|http1|[a-z0-9_]+$)/,
  },
  {
    label: "envoy_worker_id",
    pattern: /^(?:listener\..*|server|thread_local_cluster_manager)\.(worker_(\d+)\.)/,
  },
  {
    label: "envoy_listener_address",
    pattern: /^listener\.((.*?)\.)(?:http\.|worker_|ssl\.|[a-z0-9_]+$)/,
  },
];

export function extractTags(name: string): TaggedName {
  const tags: (readonly [string, string])[] = [];
  let rest = name;
  for (const { label, pattern } of rules) {
    const match = pattern.exec(rest);
    if (match?.[1] === undefined) continue;
    const at = rest.indexOf(match[1], match.index);
    tags.push([label, match[2] ?? match[1]]);
    rest = rest.slice(0, at) + rest.slice(at + match[1].length);
  }
  return { name: rest, tags };
}
