import type { TransportSocketJson } from "#gen/envoy/config/core/v3/base_pb.js";
import type { ProxyProtocolUpstreamTransportJson } from "#gen/envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol_pb.js";
import type {
  CertificateValidationContextJson,
  TlsParametersJson,
} from "#gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js";
import type { SdsSecretConfigJson } from "#gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import type {
  CommonTlsContextJson,
  UpstreamTlsContextJson,
} from "#gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js";
import type { MeshConfigJson } from "#gen/istio/mesh/v1alpha1/config_pb.js";
import type {
  ClientTLSSettingsJson,
  TrafficPolicy_ProxyProtocolJson,
} from "#gen/istio/networking/v1alpha3/destination_rule_pb.js";
import { packed } from "../any.ts";
import { sanMatcher } from "../san-matcher.ts";
import { type ClusterDraft, speaksHttp2 } from "./draft.ts";

export interface TlsSituation {
  readonly mesh: MeshConfigJson;
  /** Of a ServiceEntry: what the certificate must carry when the rule does not say. */
  readonly subjectAltNames: readonly string[];
  /** A rule for all sidecars names no secret for them: not each of them may read it (istio.md §1.2). */
  readonly mayUseCredentials: boolean;
}

/** TLS towards the endpoints: SIMPLE and MUTUAL. No mode of Istio's own certificates (ISTIO_MUTUAL): they need a CA. */
export function applyTls(
  draft: ClusterDraft,
  settings: ClientTLSSettingsJson | undefined,
  situation: TlsSituation,
): void {
  const mode = settings?.mode ?? "DISABLE";
  if (settings === undefined || mode === "DISABLE" || mode === "ISTIO_MUTUAL") return;
  if ((settings.credentialName ?? "") !== "" && !situation.mayUseCredentials) return;
  applyAutoSni(draft, settings);
  const context: UpstreamTlsContextJson = {
    commonTlsContext: {
      tlsParams: parameters(situation.mesh),
      ...certificates(settings),
      ...validation(settings, situation.subjectAltNames),
      ...(speaksHttp2(draft) ? { alpnProtocols: ["h2"] } : {}),
    },
    ...((settings.sni ?? "") === "" ? {} : { sni: settings.sni ?? "" }),
  };
  draft.cluster.transportSocket = tlsSocket(context);
}

export function tlsSocket(context: UpstreamTlsContextJson): TransportSocketJson {
  return {
    name: "envoy.transport_sockets.tls",
    typedConfig: packed("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", context),
  };
}

/** Without a name of its own the server is asked for, and checked against, the one in the request. */
function applyAutoSni(draft: ClusterDraft, settings: ClientTLSSettingsJson): void {
  if ((settings.sni ?? "") !== "") return;
  const checked =
    (settings.subjectAltNames ?? []).length === 0 && settings.insecureSkipVerify !== true;
  draft.http = {
    ...draft.http,
    upstreamHttpProtocolOptions: { autoSni: true, ...(checked ? { autoSanValidation: true } : {}) },
  };
}

function parameters({ tlsDefaults }: MeshConfigJson): TlsParametersJson {
  const { minProtocolVersion, cipherSuites = [], ecdhCurves = [] } = tlsDefaults ?? {};
  return {
    tlsMinimumProtocolVersion: minProtocolVersion === "TLSV1_3" ? "TLSv1_3" : "TLSv1_2",
    tlsMaximumProtocolVersion: "TLSv1_3",
    ...(cipherSuites.length > 0 ? { cipherSuites: [...cipherSuites] } : {}),
    ...(ecdhCurves.length > 0 ? { ecdhCurves: [...ecdhCurves] } : {}),
  };
}

function certificates({
  mode,
  credentialName = "",
  clientCertificate = "",
  privateKey = "",
}: ClientTLSSettingsJson): CommonTlsContextJson {
  if (mode !== "MUTUAL") return {};
  if (credentialName !== "") {
    return { tlsCertificateSdsSecretConfigs: [secretOf(credentialName)] };
  }
  return {
    tlsCertificates: [
      { certificateChain: { filename: clientCertificate }, privateKey: { filename: privateKey } },
    ],
  };
}

function validation(
  settings: ClientTLSSettingsJson,
  subjectAltNames: readonly string[],
): CommonTlsContextJson {
  const { credentialName = "", caCertificates = "", caCrl = "" } = settings;
  if (settings.insecureSkipVerify === true) return { validationContext: {} };
  const named = settings.subjectAltNames ?? [];
  const names = named.length > 0 ? named : subjectAltNames;
  const checks: CertificateValidationContextJson = {
    ...(names.length > 0 ? { matchTypedSubjectAltNames: names.map(sanMatcher) } : {}),
    ...(caCrl === "" ? {} : { crl: { filename: caCrl } }),
  };
  if (credentialName !== "") {
    return {
      combinedValidationContext: {
        defaultValidationContext: checks,
        validationContextSdsSecretConfig: secretOf(`${credentialName}-cacert`),
      },
    };
  }
  const authority =
    caCertificates === "" || caCertificates === "system"
      ? { systemRootCerts: {} }
      : { trustedCa: { filename: caCertificates } };
  return { validationContext: { ...checks, ...authority } };
}

/** A secret that Pilot serves over SDS, of the gateway's own namespace. */
function secretOf(name: string): SdsSecretConfigJson {
  const prefixed = /^[a-z-]+:\/\//.test(name) ? name : `kubernetes://${name}`;
  return {
    name: prefixed,
    sdsConfig: { ads: {}, initialFetchTimeout: "0s", resourceApiVersion: "V3" },
  };
}

/** A PROXY header before everything else of a connection: wraps the transport that is there. */
export function applyProxyProtocol(
  { cluster }: ClusterDraft,
  settings: TrafficPolicy_ProxyProtocolJson | undefined,
): void {
  if (settings === undefined) return;
  const transport: ProxyProtocolUpstreamTransportJson = {
    config: { version: settings.version ?? "V1" },
    transportSocket: cluster.transportSocket ?? rawBuffer,
  };
  cluster.transportSocket = {
    name: "envoy.transport_sockets.upstream_proxy_protocol",
    typedConfig: packed(
      "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
      transport,
    ),
  };
}

const rawBuffer: TransportSocketJson = {
  name: "envoy.transport_sockets.raw_buffer",
  typedConfig: packed("envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer", {}),
};
