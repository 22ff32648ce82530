import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import type { SecretJson } from "#gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import { viewOf } from "../../../../testkit/view-of.ts";
import type { ProxyView } from "../../view.ts";
import { generateSecrets, missingSecret } from "./generate.ts";

const view: ProxyView = viewOf({
  node: { type: "router", namespace: "gateways" },
  yaml: `
apiVersion: v1
kind: Secret
metadata: { name: both, namespace: gateways }
stringData: { tls.crt: chain, tls.key: key, ca.crt: root, ca.crl: revoked, tls.ocsp-staple: staple }
---
apiVersion: v1
kind: Secret
metadata: { name: generic, namespace: gateways }
stringData: { cert: chain, key: key, cacert: root }
---
apiVersion: v1
kind: Secret
metadata: { name: apart, namespace: gateways }
stringData: { tls.crt: chain, tls.key: key }
---
apiVersion: v1
kind: Secret
metadata: { name: apart-cacert, namespace: gateways }
stringData: { cacert: other, crl: revoked }
---
apiVersion: v1
kind: Secret
metadata: { name: half, namespace: gateways }
stringData: { tls.crt: chain, tls.key: "" }
---
apiVersion: v1
kind: Secret
metadata: { name: elsewhere, namespace: shop }
stringData: { tls.crt: chain, tls.key: key }
`,
});

const secrets = (...names: string[]): readonly SecretJson[] =>
  generateSecrets(view, new Set(names));
const inline = (text: string): { inlineBytes: string } => ({
  inlineBytes: Buffer.from(text).toString("base64"),
});

test("a TLS secret is a certificate, its key and a staple", () => {
  assert.deepEqual(secrets("kubernetes://both"), [
    {
      name: "kubernetes://both",
      tlsCertificate: {
        certificateChain: inline("chain"),
        privateKey: inline("key"),
        ocspStaple: inline("staple"),
      },
    },
  ]);
});

test("a generic secret has Istio's own keys", () => {
  const [secret] = secrets("kubernetes://generic");
  assert.deepEqual(secret?.tlsCertificate, {
    certificateChain: inline("chain"),
    privateKey: inline("key"),
  });
});

test("the authority of clients is a secret of its own, or in the same one", () => {
  assert.deepEqual(secrets("kubernetes://apart-cacert", "kubernetes://both-cacert"), [
    {
      name: "kubernetes://apart-cacert",
      validationContext: { trustedCa: inline("other"), crl: inline("revoked") },
    },
    {
      name: "kubernetes://both-cacert",
      validationContext: { trustedCa: inline("root"), crl: inline("revoked") },
    },
  ]);
});

test("what cannot be had is left out, and the reason is known", () => {
  const reasons = {
    "kubernetes://gone": "Secret gateways/gone does not exist",
    "kubernetes://gone-cacert": "Secret gateways/gone does not exist, nor does gone-cacert",
    "kubernetes://half": "Secret gateways/half has neither tls.crt and tls.key nor cert and key",
    "kubernetes://half-cacert": "Secret gateways/half has neither cacert nor ca.crt",
    "kubernetes://shop/elsewhere":
      "kubernetes://shop/elsewhere names no Secret of namespace gateways, the gateway's own",
    "kubernetes://elsewhere": "Secret gateways/elsewhere does not exist",
    default: "default names no Secret of namespace gateways, the gateway's own",
  };
  const names = Object.keys(reasons);
  assert.deepEqual(secrets(...names), []);
  assert.deepEqual(
    Object.fromEntries(names.map((name) => [name, missingSecret(name, view)])),
    reasons,
  );
  assert.equal(missingSecret("kubernetes://gateways/both", view), undefined);
});
