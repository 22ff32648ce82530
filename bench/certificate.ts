import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

export interface Certificate {
  readonly certificateFile: string;
  readonly keyFile: string;
  /** Both in one file, as haproxy wants them. */
  readonly bundleFile: string;
}

/** Made anew for every run: ECDSA P-256, signed by itself; no generator looks at it. */
export function makeCertificate(folder: string): Certificate {
  const certificateFile = `${folder}/certificate.pem`;
  const keyFile = `${folder}/key.pem`;
  const bundleFile = `${folder}/bundle.pem`;
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"];
  const name = ["-subj", "/CN=shop.default", "-addext", "subjectAltName=DNS:shop.default"];
  const output = ["-days", "2", "-keyout", keyFile, "-out", certificateFile];
  execFileSync("openssl", ["req", ...kind, ...name, ...output], { stdio: "pipe" });
  writeFileSync(bundleFile, readFileSync(certificateFile, "utf8") + readFileSync(keyFile, "utf8"), {
    mode: 0o600,
  });
  return { certificateFile, keyFile, bundleFile };
}
