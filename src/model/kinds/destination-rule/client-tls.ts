import type { ClientTLSSettingsJson } from "#gen/istio/networking/v1alpha3/destination_rule_pb.js";
import { fqdnProblem, isAddress } from "../hosts.ts";
import type { Report } from "../report.ts";

/** TLS towards a service. */
export function checkClientTls(tls: ClientTLSSettingsJson | undefined, report: Report): void {
  if (tls === undefined) return;
  const { mode = "DISABLE", credentialName } = tls;
  const own = mode === "SIMPLE" || mode === "MUTUAL";
  if (mode === "ISTIO_MUTUAL") {
    const why = "needs workload certificates, which Heddle does not have yet: calls are plain text";
    report.at("mode").warning(`ISTIO_MUTUAL ${why}`);
  }
  if (tls.insecureSkipVerify === true) checkUnverified(tls, report);
  if (!own) warnOfUnused(tls, report);
  if (own && credentialName) {
    refuse(tls, report, ["clientCertificate", "privateKey", "caCertificates", "caCrl"], {
      beside: "credentialName",
    });
  } else if (mode === "MUTUAL") {
    for (const field of ["clientCertificate", "privateKey"] as const) {
      if (!tls[field]) report.at(field).problem("is required with mode MUTUAL");
    }
  }
  const { sni } = tls;
  if (sni && !isAddress(sni)) {
    const problem = /^outbound_\./.test(sni) ? undefined : fqdnProblem(sni);
    if (problem !== undefined) report.at("sni").warning(problem);
  }
}

type Field = "clientCertificate" | "privateKey" | "caCertificates" | "caCrl" | "credentialName";

function refuse(
  tls: ClientTLSSettingsJson,
  report: Report,
  fields: readonly (Field | "subjectAltNames")[],
  { beside }: { readonly beside: string },
): void {
  for (const field of fields) {
    const value = tls[field];
    if (value !== undefined && value.length > 0) {
      report.at(field).problem(`cannot be given together with ${beside}`);
    }
  }
}

function checkUnverified(tls: ClientTLSSettingsJson, report: Report): void {
  const beside = "insecureSkipVerify";
  if (tls.mode === "SIMPLE") {
    refuse(tls, report, ["caCertificates", "credentialName", "subjectAltNames"], { beside });
  } else if (tls.mode === "MUTUAL") {
    // Its credential may be the client's certificate alone.
    refuse(tls, report, ["caCertificates", "subjectAltNames"], { beside });
  }
}

function warnOfUnused(tls: ClientTLSSettingsJson, report: Report): void {
  const { mode = "DISABLE" } = tls;
  for (const field of [
    "clientCertificate",
    "privateKey",
    "caCertificates",
    "credentialName",
  ] as const) {
    if (tls[field]) report.at(field).warning(`has no effect with mode ${mode}`);
  }
}
