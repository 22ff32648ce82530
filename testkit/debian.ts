/** Debian packages that a suite needs, installed when it is the first to need them. */
import { execFileSync, spawnSync } from "node:child_process";

let updated = false;

/** Throws when a package is missing and cannot be installed: a suite that silently skips proves nothing. */
export function requireDebian(packages: readonly string[]): void {
  const missing = packages.filter((name) => !isInstalled(name));
  if (missing.length === 0) {
    return;
  }
  if (process.getuid?.() !== 0) {
    throw new Error(`needs ${missing.join(", ")}: apt-get install ${missing.join(" ")}`);
  }
  // RUNLEVEL=1: the packages' own services must not start beside the tests.
  const apt = ["DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "apt-get", "-qq"];
  if (!updated) {
    execFileSync("env", [...apt, "update"], { stdio: "inherit" });
    updated = true;
  }
  const install = ["install", "-y", "--no-install-recommends", ...missing];
  execFileSync("env", [...apt, ...install], { stdio: "inherit" });
}

function isInstalled(name: string): boolean {
  const asked = spawnSync("dpkg-query", ["-W", "-f", "${db:Status-Status}", name]);
  return asked.stdout?.toString() === "installed";
}
