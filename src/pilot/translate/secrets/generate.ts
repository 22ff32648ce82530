/** SDS: certificates from Kubernetes Secrets, for gateways. */
import { Buffer } from "node:buffer";
import type { DataSourceJson } from "#gen/envoy/config/core/v3/base_pb.js";
import type { SecretJson } from "#gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import type { ProxyView } from "../../view.ts";
import { parseSecretName } from "./names.ts";

type Data = Readonly<Record<string, Uint8Array>>;

/** What Heddle makes of a Secret, or why it makes nothing. */
type Read = { readonly secret: SecretJson } | { readonly problem: string };

/** Those of the named secrets that there are; one that is missing is left out, and whoever named it is warned. */
export function generateSecrets(
  view: ProxyView,
  names: ReadonlySet<string>,
): readonly SecretJson[] {
  return [...names].sort().flatMap((name) => {
    const read = readSecret(name, view);
    return "secret" in read ? [read.secret] : [];
  });
}

/** Why a secret cannot be had; undefined: it can. */
export function missingSecret(name: string, view: ProxyView): string | undefined {
  const read = readSecret(name, view);
  return "problem" in read ? read.problem : undefined;
}

function readSecret(name: string, view: ProxyView): Read {
  const reference = parseSecretName(name, view.node.namespace);
  if (reference === undefined)
    return {
      problem: `${name} names no Secret of namespace ${view.node.namespace}, the gateway's own`,
    };
  const { namespace } = reference;
  const data = view.secret(reference.name, namespace);
  if (reference.caOf === undefined) {
    const place = `Secret ${namespace}/${reference.name}`;
    return data === undefined
      ? { problem: `${place} does not exist` }
      : certificate(name, data, place);
  }
  // One Secret for both is as good as a second one for the authority.
  const shared = data ?? view.secret(reference.caOf, namespace);
  const place =
    data === undefined
      ? `Secret ${namespace}/${reference.caOf}`
      : `Secret ${namespace}/${reference.name}`;
  return shared === undefined
    ? { problem: `${place} does not exist, nor does ${reference.name}` }
    : authority(name, shared, place);
}

function certificate(name: string, data: Data, place: string): Read {
  const pairs: readonly (readonly [string, string])[] = [
    ["cert", "key"],
    ["tls.crt", "tls.key"],
  ];
  for (const [certificateKey, privateKey] of pairs) {
    const [chain, key] = [filled(data, certificateKey), filled(data, privateKey)];
    if (chain === undefined || key === undefined) continue;
    const staple = filled(data, "tls.ocsp-staple");
    return {
      secret: {
        name,
        tlsCertificate: {
          certificateChain: inline(chain),
          privateKey: inline(key),
          ...(staple === undefined ? {} : { ocspStaple: inline(staple) }),
        },
      },
    };
  }
  return { problem: `${place} has neither tls.crt and tls.key nor cert and key` };
}

function authority(name: string, data: Data, place: string): Read {
  const root = filled(data, "cacert") ?? filled(data, "ca.crt");
  if (root === undefined) return { problem: `${place} has neither cacert nor ca.crt` };
  const revoked = filled(data, "crl") ?? filled(data, "ca.crl");
  return {
    secret: {
      name,
      validationContext: {
        trustedCa: inline(root),
        ...(revoked === undefined ? {} : { crl: inline(revoked) }),
      },
    },
  };
}

function filled(data: Data, key: string): Uint8Array | undefined {
  const value = Object.hasOwn(data, key) ? data[key] : undefined;
  return value === undefined || value.length === 0 ? undefined : value;
}

function inline(bytes: Uint8Array): DataSourceJson {
  return { inlineBytes: Buffer.from(bytes).toString("base64") };
}
