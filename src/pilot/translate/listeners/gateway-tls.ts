/** How a gateway ends TLS. */
import type { ConfigSourceJson } from "#gen/envoy/config/core/v3/config_source_pb.js";
import type {
  CertificateValidationContextJson,
  TlsParametersJson,
} from "#gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js";
import type { SdsSecretConfigJson } from "#gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import type {
  CommonTlsContextJson,
  DownstreamTlsContextJson,
} from "#gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";
import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import type { ServerTLSSettingsJson } from "#gen/istio/networking/v1alpha3/gateway_pb.js";
import type { MergedServer } from "../../view.ts";
import { sanMatcher } from "../san-matcher.ts";
import { missingSecret } from "../secrets/generate.ts";
import { caSecretName, kubernetesSecretName } from "../secrets/names.ts";
import type { GatewayContext } from "./gateway.ts";

/** Undefined: it cannot be done, and a problem says why. */
export function gatewayTls(
  merged: MergedServer,
  listener: string,
  context: GatewayContext,
): DownstreamTlsContextJson | undefined {
  const { tls = {} } = merged.server;
  const { mode = "PASSTHROUGH" } = tls;
  const refuse = (message: string): undefined => {
    const { namespace, name } = merged.object.metadata;
    const text = `Gateway ${namespace}/${name}, server ${merged.index}: ${message}`;
    context.problems.push({ metric: "pilot_total_rejected_configs", listener, message: text });
    return undefined;
  };
  if (mode === "ISTIO_MUTUAL")
    return refuse(
      "tls.mode ISTIO_MUTUAL needs workload certificates, which Heddle does not have yet",
    );
  if (mode !== "SIMPLE" && mode !== "MUTUAL" && mode !== "OPTIONAL_MUTUAL")
    return refuse(`tls.mode ${mode} ends no TLS`);
  const external = secretNames(tls).find(
    (name) => name.includes("://") && !name.startsWith("kubernetes://"),
  );
  if (external !== undefined)
    return refuse(
      `credential ${external} is not a Kubernetes Secret, which is all that Heddle serves`,
    );
  for (const name of wantedSecrets(tls, mode)) {
    const missing = missingSecret(name, context.view);
    if (missing !== undefined) refuse(`${missing}: connections wait for it`);
  }
  return {
    commonTlsContext: {
      ...tlsParameters(tls, context.scope.mesh),
      ...certificates(tls),
      ...validation(tls, mode),
      alpnProtocols: ["h2", "http/1.1"],
    },
    requireClientCertificate: mode === "MUTUAL",
  };
}

type EndingMode = "SIMPLE" | "MUTUAL" | "OPTIONAL_MUTUAL";

function secretNames({
  credentialName = "",
  credentialNames = [],
}: ServerTLSSettingsJson): readonly string[] {
  if (credentialNames.length > 0) return credentialNames;
  return credentialName === "" ? [] : [credentialName];
}

function wantedSecrets(tls: ServerTLSSettingsJson, mode: EndingMode): readonly string[] {
  const names = secretNames(tls);
  const ca = clientCa(tls);
  return [
    ...names.map(kubernetesSecretName),
    ...(mode === "SIMPLE" || ca === undefined ? [] : [ca]),
  ];
}

/** Several certificates have one authority for clients: of the first. */
function clientCa(tls: ServerTLSSettingsJson): string | undefined {
  if (tls.caCertCredentialName) return caSecretName(tls.caCertCredentialName);
  const [first] = secretNames(tls);
  return first === undefined ? undefined : caSecretName(first);
}

/** With Envoy's own fetch timeout: one secret that does not exist must not hold up the listener's other servers. */
const overAds: ConfigSourceJson = { ads: {}, resourceApiVersion: "V3" };

function overSds(name: string): SdsSecretConfigJson {
  return { name, sdsConfig: overAds };
}

function certificates(tls: ServerTLSSettingsJson): Partial<CommonTlsContextJson> {
  const names = secretNames(tls);
  if (names.length > 0)
    return {
      tlsCertificateSdsSecretConfigs: names.map((name) => overSds(kubernetesSecretName(name))),
    };
  const files =
    (tls.tlsCertificates ?? []).length > 0
      ? (tls.tlsCertificates ?? [])
      : [{ serverCertificate: tls.serverCertificate ?? "", privateKey: tls.privateKey ?? "" }];
  return {
    tlsCertificates: files.map(({ serverCertificate = "", privateKey = "" }) => ({
      certificateChain: { filename: serverCertificate },
      privateKey: { filename: privateKey },
    })),
  };
}

function validation(tls: ServerTLSSettingsJson, mode: EndingMode): Partial<CommonTlsContextJson> {
  const own: CertificateValidationContextJson = {
    ...nonEmpty("verifyCertificateSpki", tls.verifyCertificateSpki),
    ...nonEmpty("verifyCertificateHash", tls.verifyCertificateHash),
    ...((tls.subjectAltNames ?? []).length === 0
      ? {}
      : { matchTypedSubjectAltNames: (tls.subjectAltNames ?? []).map(sanMatcher) }),
  };
  if (mode === "SIMPLE") return {};
  const context: CertificateValidationContextJson = {
    ...own,
    ...(tls.insecureSkipVerify === true ? { trustChainVerification: "ACCEPT_UNTRUSTED" } : {}),
  };
  const ca = clientCa(tls);
  if (ca !== undefined)
    return {
      combinedValidationContext: {
        defaultValidationContext: context,
        validationContextSdsSecretConfig: overSds(ca),
      },
    };
  return {
    validationContext: {
      ...(tls.caCertificates ? { trustedCa: { filename: tls.caCertificates } } : {}),
      ...context,
      ...(tls.caCrl ? { crl: { filename: tls.caCrl } } : {}),
    },
  };
}

function nonEmpty<K extends string>(
  name: K,
  list: readonly string[] = [],
): Partial<Record<K, string[]>> {
  // Proof: the one key is K's.
  return list.length === 0 ? {} : ({ [name]: [...list] } as Record<K, string[]>);
}

function tlsParameters(
  { minProtocolVersion, maxProtocolVersion, cipherSuites = [] }: ServerTLSSettingsJson,
  { tlsDefaults = {} }: MeshConfigJson,
): Partial<CommonTlsContextJson> {
  const minimum = [minProtocolVersion, tlsDefaults.minProtocolVersion].find(
    (version) => version !== undefined && version !== "TLS_AUTO",
  );
  const ciphers = cipherSuites.length > 0 ? cipherSuites : (tlsDefaults.cipherSuites ?? []);
  const curves = tlsDefaults.ecdhCurves ?? [];
  const parameters: TlsParametersJson = {
    ...(minimum === undefined ? {} : { tlsMinimumProtocolVersion: envoyVersions[minimum] }),
    ...(maxProtocolVersion === undefined || maxProtocolVersion === "TLS_AUTO"
      ? {}
      : { tlsMaximumProtocolVersion: envoyVersions[maxProtocolVersion] }),
    ...(ciphers.length === 0 ? {} : { cipherSuites: [...ciphers] }),
    ...(curves.length === 0 ? {} : { ecdhCurves: [...curves] }),
  };
  return Object.keys(parameters).length === 0 ? {} : { tlsParams: parameters };
}

const envoyVersions = {
  TLSV1_0: "TLSv1_0",
  TLSV1_1: "TLSv1_1",
  TLSV1_2: "TLSv1_2",
  TLSV1_3: "TLSv1_3",
} as const;
