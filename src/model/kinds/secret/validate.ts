import type { Validated } from "../kind.ts";
import type { Report } from "../report.ts";
import type { SecretBody } from "./type.ts";

export function validate({ spec }: Validated<SecretBody>, report: Report): void {
  for (const [key, value] of Object.entries(spec.data ?? {})) {
    if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(value)) {
      report.at("data", key).problem("is not base64; stringData takes plain text");
    }
  }
  if (spec.type !== "kubernetes.io/tls") return;
  for (const key of ["tls.crt", "tls.key"]) {
    if (spec.data?.[key] === undefined && spec.stringData?.[key] === undefined) {
      report.at("data").problem(`has no "${key}", which a Secret of type kubernetes.io/tls needs`);
    }
  }
}
