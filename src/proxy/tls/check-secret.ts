import type { SecretJson } from "#gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import { refuse, within } from "#lib/config-error.ts";
import { compileCertificate } from "./certificates.ts";
import { compileTicketKeys } from "./ticket-keys.ts";
import { compileValidation } from "./validation.ts";

/** Refuse a secret before any worker has seen it. Throws ConfigError. */
export function checkSecret(secret: SecretJson): void {
  const { name = "", tlsCertificate, validationContext, sessionTicketKeys } = secret;
  within(`secret '${name}'`, () => {
    if (tlsCertificate !== undefined)
      within("tls_certificate", () => compileCertificate(tlsCertificate, name));
    else if (validationContext !== undefined)
      within("validation_context", () => compileValidation(validationContext));
    else if (sessionTicketKeys !== undefined)
      within("session_ticket_keys", () => compileTicketKeys(sessionTicketKeys));
    else throw refuse("", "is of no kind that TLS uses");
  });
}
