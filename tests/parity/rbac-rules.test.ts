import { type ParityCase, parityArea } from "./harness/area.ts";
import { direct, extension, http, type JsonObject, route } from "./harness/config.ts";
import {
  answers,
  type Expectation,
  fieldIs,
  metadataIs,
  one,
  type policy,
  rbac,
} from "./harness/rbac.ts";

/** One policy of an ALLOW list, and what it lets pass. */
const decides = (
  name: string,
  parts: Parameters<typeof policy>[0],
  expected: readonly Expectation[],
  more: { readonly manager?: JsonObject; readonly route?: JsonObject } = {},
): ParityCase => ({
  name,
  config: http({
    filters: [rbac({ rules: one(parts) })],
    routes: [route({ prefix: "/" }, { ...direct("ok"), ...more.route })],
    ...(more.manager === undefined ? {} : { manager: more.manager }),
  }),
  run: (t) => answers(t, expected),
});

const matchers: readonly ParityCase[] = [
  decides(
    "one permission and one principal must match",
    {
      permissions: [fieldIs("x-a", "1"), fieldIs("x-b", "1")],
      principals: [fieldIs("x-c", "1"), fieldIs("x-d", "1")],
    },
    [
      ["/", ["x-a: 1", "x-c: 1"], 200],
      ["/", ["x-b: 1", "x-d: 1"], 200],
      ["/", ["x-a: 1", "x-b: 1"], 403],
      ["/", ["x-c: 1", "x-d: 1"], 403],
    ],
  ),
  decides(
    "and_rules, or_rules and not_rule nest",
    {
      permissions: [
        {
          and_rules: {
            rules: [
              { or_rules: { rules: [fieldIs("x-a", "1"), fieldIs("x-b", "1")] } },
              { not_rule: fieldIs("x-c", "1") },
            ],
          },
        },
      ],
    },
    [
      ["/", ["x-a: 1"], 200],
      ["/", ["x-b: 1", "x-c: 2"], 200],
      ["/", ["x-a: 1", "x-c: 1"], 403],
      ["/", ["x-c: 2"], 403],
    ],
  ),
  decides(
    "and_ids, or_ids and not_id nest",
    {
      principals: [
        {
          and_ids: {
            ids: [
              { or_ids: { ids: [fieldIs("x-a", "1"), fieldIs("x-b", "1")] } },
              { not_id: fieldIs("x-c", "1") },
            ],
          },
        },
      ],
    },
    [
      ["/", ["x-a: 1"], 200],
      ["/", ["x-b: 1", "x-c: 2"], 200],
      ["/", ["x-a: 1", "x-c: 1"], 403],
      ["/", ["x-c: 2"], 403],
    ],
  ),
  decides(
    "every value of a repeated header is looked at",
    { permissions: [{ not_rule: fieldIs("x-role", "guest") }] },
    [
      ["/", ["x-role: admin", "x-role: user"], 200],
      ["/", ["x-role: admin", "x-role: guest"], 403],
      ["/", ["x-role: guest", "x-role: admin"], 403],
      ["/", [], 200],
    ],
  ),
  decides(
    "an inverted header matcher does not match an absent header",
    {
      permissions: [
        { header: { name: "x-role", string_match: { exact: "guest" }, invert_match: true } },
      ],
    },
    [
      ["/", ["x-role: admin"], 200],
      ["/", ["x-role: admin", "x-role: guest"], 403],
      ["/", [], 403],
    ],
  ),
  decides(
    "pseudo headers are headers, and :path has its query",
    {
      permissions: [
        {
          and_rules: {
            rules: [
              fieldIs(":method", "GET"),
              fieldIs(":authority", "host.test"),
              fieldIs(":scheme", "http"),
              fieldIs(":path", "/x?q"),
            ],
          },
        },
        { and_rules: { rules: [fieldIs("host", "host.test"), fieldIs(":path", "/y")] } },
      ],
    },
    [
      ["/x?q", [], 200],
      ["/x", [], 403],
      ["/y", [], 200],
    ],
  ),
  decides("url_path has no query", { permissions: [{ url_path: { path: { exact: "/a" } } }] }, [
    ["/a", [], 200],
    ["/a?b=c", [], 200],
    ["/a?", [], 200],
    ["/a/", [], 403],
    ["/A", [], 403],
    ["/?/a", [], 403],
  ]),
  decides(
    "url_path as a principal",
    { principals: [{ url_path: { path: { safe_regex: { regex: "/v[0-9]+/.*" } } } }] },
    [
      ["/v12/x?y", [], 200],
      ["/v/x", [], 403],
      ["/a/v12/x", [], 403],
    ],
  ),
  decides(
    "destination_ip and a range of ports, whose end is not in it",
    {
      permissions: [
        {
          and_rules: {
            rules: [
              { destination_ip: { address_prefix: "127.0.0.0", prefix_len: 8 } },
              { destination_port_range: { start: 1, end: 65536 } },
              { not_rule: { destination_port: 1 } },
              { not_rule: { destination_port_range: { start: 1, end: 2 } } },
              { not_rule: { destination_ip: { address_prefix: "128.0.0.0", prefix_len: 1 } } },
            ],
          },
        },
      ],
    },
    [["/", [], 200]],
  ),
  decides(
    "remote_ip is the client's by x-forwarded-for; source_ip and direct_remote_ip are the peer's",
    {
      principals: [
        {
          and_ids: {
            ids: [
              { remote_ip: { address_prefix: "10.1.0.0", prefix_len: 16 } },
              { source_ip: { address_prefix: "127.0.0.1", prefix_len: 32 } },
              { direct_remote_ip: { address_prefix: "127.0.0.0", prefix_len: 24 } },
            ],
          },
        },
      ],
    },
    [
      ["/", ["x-forwarded-for: 9.9.9.9, 10.1.2.3"], 200],
      ["/", ["x-forwarded-for: 10.1.2.3, 10.2.0.1"], 403],
      ["/", [], 403],
    ],
  ),
  decides(
    "an IPv6 client against IPv6 and IPv4 ranges",
    {
      principals: [
        { remote_ip: { address_prefix: "2001:db8::", prefix_len: 32 } },
        { remote_ip: { address_prefix: "0.0.0.0", prefix_len: 0 } },
      ],
    },
    [
      ["/", ["x-forwarded-for: 2001:db8:1::5"], 200],
      ["/", ["x-forwarded-for: 2001:db9::5"], 403],
      ["/", ["x-forwarded-for: 1.2.3.4"], 200],
    ],
  ),
  decides(
    "requested_server_name is empty without TLS",
    { permissions: [{ requested_server_name: { exact: "" } }] },
    [["/", [], 200]],
  ),
  decides("authenticated needs TLS", { principals: [{ authenticated: {} }, fieldIs("x-a", "1")] }, [
    ["/", [], 403],
    ["/", ["x-a: 1"], 200],
  ]),
  decides(
    "sourced_metadata may be the route's",
    {
      permissions: [
        {
          sourced_metadata: {
            metadata_matcher: metadataIs("team", "name", "blue"),
            metadata_source: "ROUTE",
          },
        },
      ],
    },
    [["/", [], 200]],
    { route: { metadata: { filter_metadata: { team: { name: "blue" } } } } },
  ),
  decides(
    "metadata is the stream's, not the route's",
    { principals: [{ metadata: metadataIs("team", "name", "blue") }] },
    [["/", [], 403]],
    { route: { metadata: { filter_metadata: { team: { name: "blue" } } } } },
  ),
  decides(
    "uri_template matches segments",
    {
      permissions: [
        {
          uri_template: extension(
            "envoy.path.match.uri_template.uri_template_matcher",
            "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
            { path_template: "/api/{version}/*/items/{rest=**}" },
          ),
        },
      ],
    },
    [
      ["/api/v1/x/items/", [], 200],
      ["/api/v1/x/items/a/b?c", [], 200],
      ["/api/v1/x/items", [], 403],
      ["/api/v1/x/y/items/a", [], 403],
      ["/api//x/items/a", [], 403],
    ],
  ),
];

parityArea("rbac-rules", matchers);
