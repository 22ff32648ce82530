import type { ServerTLSSettingsJson } from "#gen/istio/networking/v1alpha3/gateway_pb.js";
import type { Report } from "./report.ts";

/** OpenSSL's names of what BoringSSL has. */
const cipherSuites: ReadonlySet<string> = new Set([
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
  "ECDHE-ECDSA-AES128-SHA",
  "ECDHE-RSA-AES128-SHA",
  "ECDHE-ECDSA-AES256-SHA",
  "ECDHE-RSA-AES256-SHA",
  "AES128-GCM-SHA256",
  "AES256-GCM-SHA384",
  "AES128-SHA",
  "AES256-SHA",
  "DES-CBC3-SHA",
]);

const certificatesMax = 2;

type Field = "serverCertificate" | "privateKey" | "caCertificates" | "caCrl" | "credentialName";

/** TLS from clients, of gateways and of a sidecar's ingress. */
export function checkServerTls(tls: ServerTLSSettingsJson | undefined, report: Report): void {
  if (tls === undefined) return;
  const { mode = "PASSTHROUGH" } = tls;
  checkVersions(tls, report);
  checkCipherSuites(tls.cipherSuites, report.at("cipherSuites"));
  checkSources(tls, report);
  switch (mode) {
    case "ISTIO_MUTUAL":
      for (const field of given(tls)) {
        report.at(field).problem("cannot be given with mode ISTIO_MUTUAL, which has Istio's own");
      }
      return;
    case "PASSTHROUGH":
    case "AUTO_PASSTHROUGH":
      for (const field of given(tls)) {
        report.at(field).warning(`has no effect with mode ${mode}: TLS is not ended here`);
      }
      return;
    case "SIMPLE":
    case "MUTUAL":
    case "OPTIONAL_MUTUAL":
      checkCertificates(tls, report, mode);
  }
}

function given(tls: ServerTLSSettingsJson): readonly Field[] {
  const fields: readonly Field[] = [
    "serverCertificate",
    "privateKey",
    "caCertificates",
    "caCrl",
    "credentialName",
  ];
  return fields.filter((field) => Boolean(tls[field]));
}

/** A server's certificate comes from one place. */
function checkSources(tls: ServerTLSSettingsJson, report: Report): void {
  const sources = [
    tls.credentialName ? "credentialName" : "",
    (tls.credentialNames ?? []).length > 0 ? "credentialNames" : "",
    (tls.tlsCertificates ?? []).length > 0 ? "tlsCertificates" : "",
  ].filter((name) => name !== "");
  if (sources.length > 1) {
    report.at(sources[1] ?? "").problem(`cannot be given together with ${sources[0]}`);
  }
  for (const field of ["credentialNames", "tlsCertificates"] as const) {
    if ((tls[field] ?? []).length > certificatesMax) {
      report.at(field).problem(`has more than ${certificatesMax} entries`);
    }
  }
}

function checkCertificates(tls: ServerTLSSettingsJson, report: Report, mode: string): void {
  const { credentialName, credentialNames = [], tlsCertificates = [] } = tls;
  if (credentialName || credentialNames.length > 0) {
    if (tls.caCrl) report.at("caCrl").problem("stands in the credential, not beside it");
    return;
  }
  const mutual = mode !== "SIMPLE";
  if (tlsCertificates.length > 0) {
    for (const [index, certificate] of tlsCertificates.entries()) {
      require(certificate, report.at("tlsCertificates", index), mode);
    }
  } else {
    require(tls, report, mode);
  }
  const authority =
    tls.caCertificates ||
    tls.caCertCredentialName ||
    tlsCertificates.some((certificate) => Boolean(certificate.caCertificates));
  if (mutual && !authority && tls.insecureSkipVerify !== true) {
    report.at("caCertificates").problem(`is required with mode ${mode}: clients' certificates`);
  }
  if (!mutual && tls.caCrl) report.at("caCrl").problem("has no meaning with mode SIMPLE");
}

function require(
  certificate: { readonly serverCertificate?: string; readonly privateKey?: string },
  report: Report,
  mode: string,
): void {
  for (const field of ["serverCertificate", "privateKey"] as const) {
    if (!certificate[field]) {
      report.at(field).problem(`is required with mode ${mode}, or a credentialName`);
    }
  }
}

const versions = ["TLS_AUTO", "TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3"];

function checkVersions(tls: ServerTLSSettingsJson, report: Report): void {
  const least = versions.indexOf(tls.minProtocolVersion ?? "TLS_AUTO");
  const most = versions.indexOf(tls.maxProtocolVersion ?? "TLS_AUTO");
  if (most > 0 && least > most) {
    report.at("minProtocolVersion").problem("is above maxProtocolVersion");
  }
  if ((least === 1 || least === 2) && (tls.cipherSuites ?? []).length === 0) {
    report
      .at("minProtocolVersion")
      .warning("below TLSV1_2 needs cipherSuites: the usual ones do not fit");
  }
}

function checkCipherSuites(suites: readonly string[] | undefined, report: Report): void {
  const seen = new Set<string>();
  for (const [index, suite] of (suites ?? []).entries()) {
    const here = report.at(index);
    // Lists of OpenSSL's may have operators: "-ALL", "+RSA".
    const known = suite === "ALL" || !/^[\p{L}\p{N}]/u.test(suite) || cipherSuites.has(suite);
    if (!known) here.warning(`"${suite}" is no cipher suite that is supported; it is ignored`);
    else if (seen.has(suite)) here.warning(`"${suite}" is there already`);
    seen.add(suite);
  }
}
