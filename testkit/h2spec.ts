/** h2spec, the conformance suite of HTTP/2 and HPACK, and its verdict on a server. */
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

const version = "v2.2.1+incompatible";

/** HEDDLE_H2SPEC, or h2spec built once into the user's cache folder by the machine's Go. */
export function h2specPath(): string {
  const named = variable("HEDDLE_H2SPEC");
  if (named !== undefined) return named;
  const folder = join(variable("XDG_CACHE_HOME") ?? join(homedir(), ".cache"), "heddle");
  const binary = join(folder, `h2spec-${version}`);
  if (!existsSync(binary)) {
    mkdirSync(folder, { recursive: true });
    install(folder, binary);
  }
  return binary;
}

/** Moved into place when it is whole: test files that start at the same time do not see half of it. */
function install(folder: string, binary: string): void {
  const target = mkdtempSync(join(folder, "h2spec-install-"));
  const path = `${variable("PATH") ?? ""}${delimiter}/usr/local/go/bin`;
  try {
    execFileSync("go", ["install", `github.com/summerwind/h2spec/cmd/h2spec@${version}`], {
      // biome-ignore lint/style/noProcessEnv: Go finds its proxy and its caches by it.
      env: { ...process.env, PATH: path, GOBIN: target },
      stdio: ["ignore", "ignore", "inherit"],
    });
    renameSync(join(target, "h2spec"), binary);
  } finally {
    rmSync(target, { recursive: true, force: true });
  }
}

export interface H2specVerdict {
  readonly tests: number;
  readonly passed: number;
  /** What h2spec says of the cases that failed. */
  readonly failures: string;
}

export interface H2specTarget {
  readonly port: number;
  /** With ALPN; the certificate is not looked at. */
  readonly tls?: boolean;
  /** Default: all of `generic`, `http2` and `hpack`. */
  readonly sections?: readonly string[];
}

/** Every case, the strict ones too. */
export function runH2spec(target: H2specTarget): Promise<H2specVerdict> {
  const tls = target.tls === true ? ["-t", "-k"] : [];
  const where = ["-h", "127.0.0.1", "-p", String(target.port), ...tls];
  const args = [...(target.sections ?? []), "--strict", "-o", "2", ...where];
  return new Promise((resolve, reject) => {
    // It exits with 1 when a case fails: that is a verdict, and only its absence an error.
    execFile(h2specPath(), args, { maxBuffer: 16 * 1024 * 1024 }, (error, output) => {
      const counts = /^(\d+) tests, (\d+) passed/m.exec(output);
      if (counts === null) {
        reject(new Error(`h2spec gave no verdict: ${output}`, { cause: error }));
        return;
      }
      const from = output.indexOf("Failures:");
      resolve({
        tests: Number(counts[1]),
        passed: Number(counts[2]),
        failures: from === -1 ? "" : output.slice(from),
      });
    });
  });
}

function variable(name: string): string | undefined {
  // biome-ignore lint/style/noProcessEnv: where tools are is the machine's choice, not a test's.
  const value = process.env[name];
  return value === "" ? undefined : value;
}
