import assert from "node:assert/strict";
import type { ConnectionOptions } from "node:tls";
import { type ParityCase, parityArea } from "./harness/area.ts";
import { direct, extension, type JsonObject, route } from "./harness/config.ts";
import { fieldIs, one, rbac } from "./harness/rbac.ts";
import { as, certificates, downstreamTls, https, secureGet, trust } from "./harness/tls.ts";

const clients: Readonly<Record<string, ConnectionOptions>> = {
  client: as(certificates.client),
  nameless: as(certificates.nameless),
  nobody: {},
};

/** It is what tells the server name, TLS or not. */
const tlsInspector = extension(
  "envoy.filters.listener.tls_inspector",
  "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
  {},
);

/** Which clients one policy lets pass. */
const admits = (
  name: string,
  parts: Parameters<typeof one>[0],
  admitted: readonly string[],
): ParityCase => ({
  name,
  config: https(downstreamTls({ validation: trust() }), {
    filters: [rbac({ rules: one(parts) })],
    listener: { listener_filters: [tlsInspector] },
    routes: [route({ prefix: "/" }, direct("ok"))],
  }),
  run: async (t) => {
    const passed: string[] = [];
    for (const [client, options] of Object.entries(clients))
      if ((await secureGet(t, "/", options)).status === 200) passed.push(client);
    assert.deepEqual(passed, admitted);
  },
});

const named = (matcher: JsonObject): JsonObject => ({ authenticated: { principal_name: matcher } });
const principal = (name: string, matcher: JsonObject, admitted: readonly string[]): ParityCase =>
  admits(`authenticated: ${name}`, { principals: [named(matcher)] }, admitted);

const everybody = Object.keys(clients);

/** `a.b == text`, parsed. */
const attributeIs = (first: string, field: string, value: JsonObject): JsonObject => ({
  call_expr: {
    function: "_==_",
    args: [
      { select_expr: { operand: { ident_expr: { name: first } }, field } },
      { const_expr: value },
    ],
  },
});

parityArea("rbac-tls", [
  admits("authenticated without a name is TLS", { principals: [{ authenticated: {} }] }, everybody),
  principal("a URI name", { exact: "spiffe://td/ns/default/sa/client" }, ["client"]),
  principal("a DNS name beside a URI name", { exact: "client.test" }, ["client"]),
  principal("the second DNS name", { suffix: ".wild.test" }, ["client"]),
  principal("the subject beside other names", { contains: "CN=client" }, ["client"]),
  principal("the subject alone", { exact: "CN=nameless.test" }, ["nameless"]),
  principal("an address is no name", { exact: "10.0.0.1" }, []),
  principal("no certificate is an empty name", { safe_regex: { regex: "a{0}" } }, ["nobody"]),
  admits(
    "not_id of a name admits those without it",
    { principals: [{ not_id: named({ prefix: "spiffe://" }) }] },
    ["nameless", "nobody"],
  ),
  admits(
    "requested_server_name",
    { permissions: [{ requested_server_name: { exact: "a.test" } }] },
    everybody,
  ),
  admits(
    "a name and a header",
    { permissions: [fieldIs(":method", "GET")], principals: [named({ exact: "client.test" })] },
    ["client"],
  ),
  admits(
    "condition: connection.mtls",
    {
      condition: {
        select_expr: { operand: { ident_expr: { name: "connection" } }, field: "mtls" },
      },
    },
    ["client", "nameless"],
  ),
  ...(
    [
      ["requested_server_name", { string_value: "a.test" }, everybody],
      ["tls_version", { string_value: "TLSv1.3" }, everybody],
      ["subject_peer_certificate", { string_value: "CN=nameless.test" }, ["nameless"]],
      [
        "uri_san_peer_certificate",
        { string_value: "spiffe://td/ns/default/sa/client" },
        ["client"],
      ],
      ["dns_san_peer_certificate", { string_value: "client.test" }, ["client"]],
    ] as const
  ).map(([field, value, admitted]) =>
    admits(
      `condition: connection.${field}`,
      { condition: attributeIs("connection", field, value) },
      admitted,
    ),
  ),
]);
