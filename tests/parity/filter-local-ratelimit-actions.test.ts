import { type ParityCase, parityArea } from "./harness/area.ts";
import type { JsonObject } from "./harness/config.ts";
import { action } from "./harness/local-ratelimit.ts";

const key = (value: string, more: JsonObject = {}): JsonObject => ({
  generic_key: { descriptor_value: value, ...more },
});
const xff = { use_remote_address: false };

const actions: readonly ParityCase[] = [
  action({
    name: "generic_key",
    action: key("v"),
    entry: { generic_key: "v" },
    matches: ["/"],
  }),
  action({
    name: "generic_key with a key",
    action: key("v", { descriptor_key: "k" }),
    entry: { k: "v" },
    matches: ["/"],
  }),
  action({
    name: "request_headers",
    action: { request_headers: { header_name: "x-user", descriptor_key: "user" } },
    entry: { user: "me" },
    matches: ["/", "x-user: me", "x-user: you"],
    misses: ["/", "x-user: you"],
  }),
  action({
    name: "request_headers of the path",
    action: { request_headers: { header_name: ":path", descriptor_key: "path" } },
    entry: { path: "/a?b" },
    matches: ["/a?b"],
    misses: ["/a"],
  }),
  action({
    name: "request_headers of the host",
    action: { request_headers: { header_name: "Host", descriptor_key: "host" } },
    entry: { host: "host.test" },
    matches: ["/"],
  }),
  action({
    name: "remote_address",
    action: { remote_address: {} },
    entry: { remote_address: "10.1.2.3" },
    matches: ["/", "x-forwarded-for: 10.1.2.3"],
    misses: ["/", "x-forwarded-for: 10.1.2.4"],
    manager: xff,
  }),
  action({
    name: "masked_remote_address",
    action: { masked_remote_address: { v4_prefix_mask_len: 20 } },
    entry: { masked_remote_address: "10.1.240.0/20" },
    matches: ["/", "x-forwarded-for: 10.1.255.3"],
    misses: ["/", "x-forwarded-for: 10.1.239.4"],
    manager: xff,
  }),
  action({
    name: "masked_remote_address of IPv6",
    action: { masked_remote_address: { v6_prefix_mask_len: 36 } },
    entry: { masked_remote_address: "2001:db8:1000::/36" },
    matches: ["/", "x-forwarded-for: 2001:db8:1fff::1"],
    misses: ["/", "x-forwarded-for: 2001:db8:2fff::1"],
    manager: xff,
  }),
  action({
    name: "masked_remote_address without a length",
    action: { masked_remote_address: {} },
    entry: { masked_remote_address: "10.1.2.3/32" },
    matches: ["/", "x-forwarded-for: 10.1.2.3"],
    manager: xff,
  }),
  action({
    name: "source_cluster and destination_cluster",
    action: { destination_cluster: {} },
    entry: { destination_cluster: "{case}-main" },
    matches: ["/"],
  }),
  action({
    name: "header_value_match",
    action: {
      header_value_match: {
        descriptor_value: "v",
        headers: [{ name: "x-user", string_match: { exact: "me" } }],
      },
    },
    entry: { header_match: "v" },
    matches: ["/", "x-user: me"],
    misses: ["/", "x-user: you"],
  }),
  action({
    name: "header_value_match that must not match",
    action: {
      header_value_match: {
        descriptor_key: "k",
        descriptor_value: "v",
        expect_match: false,
        headers: [{ name: "x-user", string_match: { exact: "me" } }],
      },
    },
    entry: { k: "v" },
    matches: ["/"],
    misses: ["/", "x-user: me"],
  }),
  action({
    name: "query_parameter_value_match",
    action: {
      query_parameter_value_match: {
        descriptor_value: "v",
        query_parameters: [{ name: "q", string_match: { exact: "a b" } }],
      },
    },
    entry: { query_match: "v" },
    matches: ["/?q=a%20b"],
    misses: ["/?q=a"],
  }),
  action({
    name: "query_parameter_value_match of presence, and expected not to",
    action: {
      query_parameter_value_match: {
        descriptor_key: "k",
        descriptor_value: "v",
        expect_match: false,
        query_parameters: [{ name: "q", present_match: true }],
      },
    },
    entry: { k: "v" },
    matches: ["/?r"],
    misses: ["/?%71=1"],
  }),
  action({
    name: "query_parameters",
    action: { query_parameters: { query_parameter_name: "q", descriptor_key: "query" } },
    entry: { query: "a b" },
    matches: ["/?p=1&q=a%20b&q=c"],
    misses: ["/?q=c&q=a%20b"],
  }),
  action({
    name: "metadata of the route",
    action: {
      metadata: {
        descriptor_key: "m",
        metadata_key: { key: "ns", path: [{ key: "a" }, { key: "b" }] },
        source: "ROUTE_ENTRY",
      },
    },
    entry: { m: "v" },
    matches: ["/"],
    route: { metadata: { filter_metadata: { ns: { a: { b: "v" } } } } },
  }),
  action({
    name: "metadata: a default value",
    action: {
      metadata: {
        descriptor_key: "m",
        metadata_key: { key: "ns", path: [{ key: "a" }] },
        default_value: "d",
      },
    },
    entry: { m: "d" },
    matches: ["/"],
  }),
];

parityArea("local-ratelimit-actions", actions);
