/** Which rule has a host: by name, wildcard, namespace, age and Sidecar (cases: Istio's own tests of sidecars' routes). */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { VirtualHostJson } from "#gen/envoy/config/route/v3/route_components_pb.js";
import { generateXds } from "#pilot/generate.ts";
import { viewOf } from "../../testkit/view-of.ts";

const services = ["known/default", "alt-known/default", "not-default/not-default"]
  .map((text, index) => {
    const [name, namespace] = text.split("/");
    return `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${namespace} }
spec: { clusterIP: 2.0.0.${index}, ports: [{ port: 80, name: http }, { port: 8080, name: http-2 }] }`;
  })
  .join("\n---");

interface RuleText {
  readonly namespace?: string;
  readonly hosts: readonly string[];
  readonly to: string;
  readonly port?: number;
  readonly portMatch?: number;
  readonly year?: number;
}

const rule = (
  { namespace = "default", hosts, to, port, portMatch, year = 2020 }: RuleText,
  index: number,
): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: rule-${index}, namespace: ${namespace}, creationTimestamp: "${year}-01-01T00:00:00Z" }
spec:
  hosts: [${hosts.map((host) => `"${host}"`).join(", ")}]
  http:
    - route: [{ destination: { host: ${to}${port === undefined ? "" : `, port: { number: ${port} }`} } }]
${portMatch === undefined ? "" : `      match: [{ port: ${portMatch} }]`}`;

const sidecar = (namespace: string, hosts: readonly string[]): string => `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: default, namespace: ${namespace} }
spec: { egress: [{ hosts: [${hosts.map((host) => `"${host}"`).join(", ")}] }] }`;

interface RulesCase {
  readonly name: string;
  readonly rules: readonly RuleText[];
  readonly egress?: readonly string[];
  /** Of the proxy and its Sidecar. */
  readonly namespace?: string;
  readonly port?: number;
  /** The cluster of a domain; null: it has no virtual host. */
  readonly expected: Readonly<Record<string, string | null>>;
}

const known = "known.default.svc.cluster.local";
const alt = "alt-known.default.svc.cluster.local";
const notDefault = "not-default.not-default.svc.cluster.local";

const cases: readonly RulesCase[] = [
  {
    name: "a rule for a known host",
    rules: [{ hosts: [known], to: alt }],
    expected: { [known]: `outbound|80||${alt}` },
  },
  {
    name: "a rule for a known host, on another port",
    rules: [{ hosts: [known], to: alt }],
    port: 8080,
    expected: { [known]: `outbound|8080||${alt}` },
  },
  {
    name: "an unknown host is on port 80",
    rules: [{ hosts: ["foo.default.svc.cluster.local"], to: "foo.default.svc.cluster.local" }],
    expected: { "foo.default.svc.cluster.local": "outbound|80||foo.default.svc.cluster.local" },
  },
  ...[{}, { portMatch: 8080 }, { port: 8080 }].map((more) => ({
    name: `an unknown host is on no other port ${JSON.stringify(more)}`,
    rules: [
      { hosts: ["foo.default.svc.cluster.local"], to: "foo.default.svc.cluster.local", ...more },
    ],
    port: 8080,
    expected: { "foo.default.svc.cluster.local": null },
  })),
  ...["default", "not-default", "arbitrary"].flatMap((namespace) =>
    [80, 8080].map((port) => ({
      name: `a rule of ${namespace} for calls of another namespace, port ${port}`,
      rules: [{ namespace, hosts: [known], to: alt }],
      namespace: "not-default",
      port,
      expected: { [known]: `outbound|${port}||${alt}` },
    })),
  ),
  ...[80, 8080].map((port) => ({
    name: `of three rules the oldest wins, port ${port}`,
    rules: [
      { namespace: "arbitrary", hosts: [known], to: "arbitrary.example.com", year: 2019 },
      { namespace: "default", hosts: [known], to: "default.example.com" },
      { namespace: "not-default", hosts: [known], to: "not-default.example.com", year: 2021 },
    ],
    namespace: "not-default",
    port,
    expected: { [known]: `outbound|${port}||arbitrary.example.com` },
  })),
  {
    name: "a wildcard of unknown hosts stands as it is",
    rules: [{ hosts: ["*.unknown.example.com"], to: "arbitrary.example.com" }],
    expected: {
      [alt]: `outbound|80||${alt}`,
      [known]: `outbound|80||${known}`,
      "*.unknown.example.com": "outbound|80||arbitrary.example.com",
    },
  },
  {
    name: "a wildcard of known hosts becomes them",
    rules: [{ hosts: ["*.cluster.local"], to: "arbitrary.example.com" }],
    egress: ["*/*.cluster.local"],
    expected: {
      [alt]: "outbound|80||arbitrary.example.com",
      [known]: "outbound|80||arbitrary.example.com",
      "*.cluster.local": null,
    },
  },
  ...[
    [2019, 2021],
    [2021, 2019],
  ].map(([wild, exact]) => ({
    name: `a host's own rule goes before a wildcard, of ${wild} and ${exact}`,
    rules: [
      { hosts: ["*.cluster.local"], to: "wild.example.com", year: wild ?? 0 },
      { hosts: [known], to: "explicit.example.com", year: exact ?? 0 },
    ],
    expected: {
      [alt]: "outbound|80||wild.example.com",
      [known]: "outbound|80||explicit.example.com",
      "*.cluster.local": null,
    },
  })),
  {
    name: "a Sidecar that names hosts imports the wildcard over them",
    rules: [
      { hosts: ["*.cluster.local"], to: "wild.example.com", year: 2019 },
      { hosts: [known], to: "explicit.example.com", year: 2021 },
    ],
    egress: [`default/${known}`, `default/${alt}`],
    expected: {
      [alt]: "outbound|80||wild.example.com",
      [known]: "outbound|80||explicit.example.com",
      "*.cluster.local": null,
    },
  },
  {
    name: "a Sidecar that names hosts of a namespace imports no rules of another",
    rules: [
      {
        namespace: "not-default",
        hosts: ["*.cluster.local"],
        to: "wild.example.com",
        year: 2019,
      },
      { hosts: [known], to: "explicit.example.com", year: 2021 },
    ],
    egress: [`default/${known}`, `default/${alt}`],
    expected: {
      [alt]: `outbound|80||${alt}`,
      [known]: "outbound|80||explicit.example.com",
      "*.cluster.local": null,
    },
  },
  {
    name: "without a Sidecar rules of all namespaces count",
    rules: [
      {
        namespace: "not-default",
        hosts: ["*.cluster.local"],
        to: "wild.example.com",
        year: 2019,
      },
      { hosts: [known], to: "explicit.example.com", year: 2021 },
    ],
    expected: {
      [alt]: "outbound|80||wild.example.com",
      [known]: "outbound|80||explicit.example.com",
      "*.cluster.local": null,
    },
  },
  {
    name: "wildcard and name of unknown hosts",
    rules: [
      { hosts: ["*.tld"], to: "wild.example.com", year: 2019 },
      { hosts: ["example.tld"], to: "explicit.example.com", year: 2021 },
    ],
    expected: {
      [known]: `outbound|80||${known}`,
      "*.tld": "outbound|80||wild.example.com",
      "*.example.tld": null,
    },
  },
  {
    name: "a name, a Sidecar with a wildcard",
    rules: [{ hosts: ["arbitrary.svc.cluster.local"], to: "arbitrary.svc.cluster.local" }],
    egress: ["*/*.cluster.local"],
    expected: { "arbitrary.svc.cluster.local": "outbound|80||arbitrary.svc.cluster.local" },
  },
  {
    name: "a wildcard, a Sidecar with a name",
    rules: [{ hosts: ["*.cluster.local"], to: "arbitrary.example.com" }],
    egress: [`*/${known}`],
    expected: { [known]: "outbound|80||arbitrary.example.com", "*.cluster.local": null },
  },
  {
    name: "a wildcard of unknown hosts, a Sidecar with one of them",
    rules: [{ hosts: ["*.example.org"], to: "arbitrary.example.com" }],
    egress: ["*/explicit.example.org", `*/${alt}`],
    expected: {
      [known]: null,
      [alt]: `outbound|80||${alt}`,
      "*.example.org": "outbound|80||arbitrary.example.com",
    },
  },
  {
    name: "a Sidecar leaves the rules of another namespace out",
    rules: [
      {
        namespace: "not-default",
        hosts: ["*.default.svc.cluster.local"],
        to: "arbitrary.example.com",
      },
      {
        hosts: ["explicit.default.svc.cluster.local"],
        to: "explicit.default.svc.cluster.local",
      },
    ],
    egress: ["not-default/*.default.svc.cluster.local", `not-default/${notDefault}`],
    namespace: "not-default",
    expected: {
      "*.default.svc.cluster.local": "outbound|80||arbitrary.example.com",
      "explicit.default.svc.cluster.local": null,
      [notDefault]: `outbound|80||${notDefault}`,
    },
  },
  {
    name: "of two rules of one namespace the older wins",
    rules: [
      { hosts: [known], to: "old.example.com", year: 2019 },
      { hosts: [known], to: "new.example.com", year: 2021 },
    ],
    expected: { [known]: "outbound|80||old.example.com" },
  },
  {
    name: "of two rules of two namespaces the older wins",
    rules: [
      { namespace: "not-default", hosts: [known], to: "producer.example.com", year: 2019 },
      { hosts: [known], to: "consumer.example.com", year: 2021 },
    ],
    expected: { [known]: "outbound|80||producer.example.com" },
  },
  {
    name: "of a rule's two hosts the Sidecar names one",
    rules: [{ hosts: [known, alt], to: "example.com" }],
    egress: [`*/${known}`],
    expected: { [known]: "outbound|80||example.com", [alt]: "outbound|80||example.com" },
  },
];

for (const { name, rules, egress, namespace = "default", port = 80, expected } of cases) {
  test(name, () => {
    const documents = [services, ...rules.map(rule)];
    if (egress !== undefined) documents.push(sidecar(namespace, egress));
    const view = viewOf({ yaml: documents.join("\n---"), node: { namespace } });
    const routes = generateXds(view).routes.find((config) => config.name === String(port));
    const clusterOf = (domain: string): string | null => {
      const found = routes?.virtualHosts?.find((host) => host.domains?.includes(domain));
      return found === undefined ? null : clusterOfFirst(found);
    };
    const domains = Object.keys(expected);
    assert.deepEqual(
      Object.fromEntries(domains.map((domain) => [domain, clusterOf(domain)])),
      expected,
    );
  });
}

function clusterOfFirst({ routes = [] }: VirtualHostJson): string | null {
  return routes[0]?.route?.cluster ?? null;
}
