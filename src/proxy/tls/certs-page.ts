import type { CertificateStatus, ContextStatus } from "./status.ts";

const dayMs = 86_400_000;

/** admin.v3.Certificate messages, with proto names: one for each TLS context. */
export function certificateMessages(
  contexts: readonly ContextStatus[],
  nowMs: number,
): readonly object[] {
  return contexts.map(({ authorities, certificates }) => ({
    ca_cert: authorities.map((one) => message(one, nowMs)),
    cert_chain: certificates.map((one) => message(one, nowMs)),
  }));
}

function message(status: CertificateStatus, nowMs: number): object {
  const days = Math.floor((status.validToMs - nowMs) / dayMs);
  return {
    path: status.path,
    serial_number: status.serialNumber,
    subject_alt_names: status.names.map(([kind, name]) => ({ [kind]: name })),
    days_until_expiration: String(Math.max(0, days)),
    valid_from: timestamp(status.validFromMs),
    expiration_time: timestamp(status.validToMs),
    ...(status.staple === undefined
      ? {}
      : {
          ocsp_details: {
            valid_from: timestamp(status.staple.validFromMs),
            expiration: timestamp(status.staple.validUntilMs),
          },
        }),
  };
}

/** ProtoJSON of google.protobuf.Timestamp. */
function timestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(".000Z", "Z");
}
