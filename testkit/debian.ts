/** Debian packages that a suite needs: installed when it is the first to need them, or only unpacked. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

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

export interface DebianFiles {
  /** Of the cache: the packages are fetched once for a name. */
  readonly name: string;
  /** As apt-get takes them, so also `^name-[0-9]+$`. */
  readonly packages: readonly string[];
}

/** The archives of the packages and of what they need and this machine lacks, from the user's cache folder. Nothing is installed. */
export function fetchDebian({ name, packages }: DebianFiles): readonly string[] {
  const cache = join(variable("XDG_CACHE_HOME") ?? join(homedir(), ".cache"), "heddle/debian");
  const folder = join(cache, name);
  if (!existsSync(folder)) {
    mkdirSync(cache, { recursive: true });
    const work = mkdtempSync(join(cache, "fetch-"));
    try {
      download(work, packages);
      // Without a network, apt does not fail over packages that are installed already.
      if (archivesIn(join(work, "archives")).length < packages.length)
        throw new Error(`apt-get downloads nothing for ${packages.join(" ")}`);
      // Moved when it is whole; another process may have been first.
      if (!existsSync(folder)) renameSync(join(work, "archives"), folder);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  return archivesIn(folder);
}

function archivesIn(folder: string): readonly string[] {
  return globSync("*.deb", { cwd: folder }).map((file) => join(folder, file));
}

export function unpackDebian(archives: readonly string[], folder: string): void {
  for (const archive of archives) execFileSync("dpkg", ["-x", archive, folder]);
}

/** With lists and archives of its own: it needs no root, and leaves the machine's as they are. */
function download(work: string, packages: readonly string[]): void {
  for (const part of ["lists", "archives"])
    mkdirSync(join(work, part, "partial"), { recursive: true });
  const settings = {
    "Dir::State::lists": join(work, "lists"),
    "Dir::Cache": work,
    "Dir::Cache::archives": join(work, "archives"),
    "Debug::NoLocking": "1",
    // The user that apt becomes for downloads cannot enter a home folder.
    "APT::Sandbox::User": "root",
  };
  const options = Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
  const apt = (...words: readonly string[]): void => {
    execFileSync("apt-get", ["-qq", ...options, ...words], { stdio: ["ignore", "ignore", "pipe"] });
  };
  apt("update");
  apt("install", "-y", "--no-install-recommends", "--reinstall", "--download-only", ...packages);
}

function variable(name: string): string | undefined {
  // biome-ignore lint/style/noProcessEnv: where caches are is the machine's choice, not a test's.
  const value = process.env[name];
  return value === "" ? undefined : value;
}
