import assert from "node:assert/strict";
import { test } from "node:test";
import { printObjectProblem, readObjects } from "./documents.ts";

const virtualService = (name: string, spec: string): string => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: ${name}
spec:
${spec}
`;

const reviews = "  hosts: [reviews]\n  http:\n  - route:\n    - destination: {host: reviews}\n";

const printed = (text: string): readonly string[] =>
  readObjects("mesh.yaml", text).problems.map(printObjectProblem);

test("many documents of a file, each with the lines of the file", () => {
  const text = `${virtualService("a", reviews)}---\n# nothing\n---\n${virtualService("b", reviews)}`;
  const { objects, problems } = readObjects("mesh.yaml", text);
  assert.deepEqual(problems, []);
  assert.deepEqual(
    objects.map(({ metadata }) => metadata.name),
    ["a", "b"],
  );
  assert.deepEqual(objects[1]?.source?.positionOf(["spec", "http", 0, "route", 0]), {
    line: 22,
    column: 7,
  });
});

test("an object without a namespace is in default, or in the one that is asked for", () => {
  const text = virtualService("a", reviews);
  assert.equal(readObjects("a", text).objects[0]?.metadata.namespace, "default");
  const shop = readObjects("a", text, { namespace: "shop" });
  assert.equal(shop.objects[0]?.metadata.namespace, "shop");
});

test("every object is checked even when another is bad, and all problems are named", () => {
  const bad = "  hosts: [reviews]\n  htpp: []\n  gateways: mesh\n";
  const text = `${virtualService("a", bad)}---\n{ broken\n---\n${virtualService("b", reviews)}`;
  assert.deepEqual(
    printed(text).map((line) => line.replace(/(document: ).*/, "$1…")),
    [
      'mesh.yaml:7:3 VirtualService/default/a spec.htpp: unknown field of istio.networking.v1alpha3.VirtualService; did you mean "http"?',
      'mesh.yaml:8:13 VirtualService/default/a spec.gateways: must be a list, not "mesh"',
      "mesh.yaml:12:1 ?/?/? document: …",
    ],
  );
  assert.equal(readObjects("mesh.yaml", text).objects.length, 1);
});

test("a List's items are objects of their own", () => {
  const item = `  - ${virtualService("a", reviews).trimEnd().replaceAll("\n", "\n    ")}\n`;
  const text = `kind: List\napiVersion: v1\nitems:\n${item}${item.replace("hosts", "hots")}`;
  assert.deepEqual(printed(text), [
    'mesh.yaml:18:7 VirtualService/default/a spec.hots: unknown field of istio.networking.v1alpha3.VirtualService; did you mean "hosts"?',
  ]);
});

test("Go's durations are written as ProtoJSON's, and what is written as its default stays", () => {
  const spec = `${reviews}    timeout: 1m30s\n    retries: {attempts: 0}\n    fault: {delay: {fixedDelay: 250ms, percentage: {value: 0}}}\n`;
  const [object] = readObjects("a", virtualService("a", spec)).objects;
  assert.deepEqual(object?.spec, {
    hosts: ["reviews"],
    http: [
      {
        route: [{ destination: { host: "reviews" } }],
        timeout: "90s",
        retries: { attempts: 0 },
        fault: { delay: { fixedDelay: "0.250s", percentage: { value: 0 } } },
      },
    ],
  });
});

test("kinds: nobody's in Istio's groups is refused, anybody's elsewhere is passed over with a warning", () => {
  const object = (apiVersion: string, kind: string): string =>
    `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: x}\n`;
  assert.deepEqual(printed(object("networking.istio.io/v1", "VirtualServise")), [
    'mesh.yaml:2:7 VirtualServise/default/x kind: networking.istio.io has no kind "VirtualServise"; did you mean "VirtualService"?',
  ]);
  assert.deepEqual(printed(object("networking.istio.io/v2", "Sidecar")), [
    'mesh.yaml:1:13 Sidecar/default/x apiVersion: "networking.istio.io/v2" is none of networking.istio.io/v1, networking.istio.io/v1beta1, networking.istio.io/v1alpha3',
  ]);
  const { problems, warnings } = readObjects("a", object("apps/v1", "Deployment"));
  assert.deepEqual(problems, []);
  assert.deepEqual(warnings.map(printObjectProblem), [
    "a:2:7 Deployment/default/x kind: apps/v1 Deployment is not read by Heddle",
  ]);
});

test("Kubernetes' objects keep what Heddle does not read", () => {
  const text = `apiVersion: v1
kind: Service
metadata: {name: reviews, labels: {app: reviews}, creationTimestamp: "2026-01-31T12:00:00Z"}
spec:
  ports: [{name: http, port: 9080, targetPort: web}]
  sessionAffinity: None
status: {loadBalancer: {}}
---
apiVersion: v1
kind: Secret
metadata: {name: cert, namespace: shop}
type: Opaque
data: {tls.crt: AA==}
`;
  const { objects, problems } = readObjects("a", text);
  assert.deepEqual(problems, []);
  assert.deepEqual(objects[0]?.spec, {
    ports: [{ name: "http", port: 9080, targetPort: "web" }],
    sessionAffinity: "None",
  });
  assert.equal(objects[0]?.metadata.creationMs, Date.UTC(2026, 0, 31, 12));
  assert.deepEqual(objects[1]?.spec, { type: "Opaque", data: { "tls.crt": "AA==" } });
  assert.deepEqual(
    printed("apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: x}]}\n"),
    [
      'mesh.yaml:4:23 Service/default/a spec.ports[0].port: must be a port between 1 and 65535, not "x"',
    ],
  );
});

test("a problem is one line, whatever the value", () => {
  const [line = ""] = printed(virtualService("a", reviews.replace("[reviews]", '["a\\n\\r\\nb"]')));
  assert.equal(line.split(/[\r\n]/).length, 1, line);
});

test("only AuthorizationPolicies can be tried out", () => {
  const text = virtualService("a", reviews).replace(
    "metadata:",
    'metadata:\n  annotations: {istio.io/dry-run: "true"}',
  );
  assert.deepEqual(printed(text), [
    'mesh.yaml:4:35 VirtualService/default/a metadata.annotations["istio.io/dry-run"]: is for AuthorizationPolicies only',
  ]);
  const policy = (value: string): string =>
    `{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: a, annotations: {istio.io/dry-run: "${value}"}}, spec: {}}`;
  assert.deepEqual(printed(policy("true")), []);
  assert.match(printed(policy("maybe"))[0] ?? "", /"maybe" is neither true nor false$/);
});

test("names and labels are Kubernetes'", () => {
  const metadata =
    "{name: A_b, namespace: a.b, labels: {a/b/c: d, e: 'f g', h: 5}, anotations: {}, creationTimestamp: soon, uid: 5}";
  assert.deepEqual(
    printed(`{apiVersion: v1, kind: ConfigMap, metadata: ${metadata}}`).map((line) =>
      line.replace(/^\S+ \S+ /, ""),
    ),
    [
      'metadata.anotations: unknown field; did you mean "annotations"?',
      "metadata.uid: must be a string, not 5 (quote it)",
      'metadata.name: "A_b" is not a name: lower-case letters, digits, "-" and ".", with a letter or digit at both ends',
      'metadata.namespace: "a.b" is not a name: lower-case letters, digits and "-", with a letter or digit at both ends',
      "metadata.labels.h: must be a string, not 5 (quote it)",
      'metadata.labels["a/b/c"]: "a/b/c" is not a label\'s name',
      'metadata.labels.e: "f g" is not a label\'s value: at most 63 letters, digits, "-", "_" and ".", with a letter or digit at both ends',
      'metadata.creationTimestamp: must be a time such as "2026-01-31T12:00:00Z"',
    ],
  );
  const { objects, warnings } = readObjects(
    "a",
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: nsA}}",
  );
  assert.equal(objects.length, 1);
  assert.match(warnings.map(printObjectProblem).join(), /metadata.namespace: "nsA" has capitals/);
  for (const [text, problem] of [
    ["{apiVersion: v1, kind: ConfigMap}", "metadata: is required"],
    ["{apiVersion: v1, kind: ConfigMap, metadata: []}", "metadata: must be a map, not []"],
    ["{apiVersion: v1, kind: ConfigMap, metadata: {}}", "metadata.name: is required"],
    ["{kind: ConfigMap}", "apiVersion: is required"],
    ["{}", "kind: is required"],
    ["- 5", "document: must be an object with apiVersion and kind"],
    ["5", "document: must be an object with apiVersion and kind"],
  ] as const) {
    assert.ok(
      printed(text).some((line) => line.endsWith(` ${problem}`)),
      text,
    );
  }
});
