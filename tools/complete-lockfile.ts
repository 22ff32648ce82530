/**
 * `npm run lockfile`: adds to package-lock.json the platform packages that the registry in use does not serve.
 *
 * Biome, buf and others name one optional package for each platform. A mirror may carry Linux only; npm then leaves
 * the others out of the lock file, and `npm ci` refuses a lock file that lacks them. With `os` and `cpu` written
 * down, npm skips a foreign platform's package without asking for it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

type Entry = {
  version?: string;
  dev?: boolean;
  optional?: boolean;
  os?: readonly string[];
  cpu?: readonly string[];
  libc?: readonly string[];
  optionalDependencies?: Readonly<Record<string, string>>;
};
type Lockfile = { packages: Record<string, Entry> };

/** The entries to add, by their place in node_modules. */
export function missingPlatforms({ packages }: Lockfile): Record<string, Entry> {
  const missing: Record<string, Entry> = {};
  for (const entry of Object.values(packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const place = `node_modules/${name}`;
      const platform = platformOf(name);
      if (packages[place] === undefined && platform !== undefined) {
        const dev = entry.dev === true ? { dev: true } : {};
        missing[place] = { version, ...platform, ...dev, optional: true };
      }
    }
  }
  return missing;
}

function platformOf(name: string): Pick<Entry, "os" | "cpu" | "libc"> | undefined {
  const found =
    /[-/](?<os>android|darwin|linux|win32)-(?<cpu>x64|arm64|armv7)(?<musl>-musl)?$/.exec(name);
  const { os, cpu, musl } = found?.groups ?? {};
  if (os === undefined || cpu === undefined) {
    return undefined;
  }
  const libc = musl === undefined ? {} : { libc: ["musl"] };
  return { os: [os], cpu: [cpu === "armv7" ? "arm" : cpu], ...libc };
}

if (import.meta.main) {
  const path = fileURLToPath(new URL("../package-lock.json", import.meta.url));
  // A lock file that npm has just written has this shape.
  const lockfile = JSON.parse(readFileSync(path, "utf8")) as Lockfile;
  const packages = Object.entries({ ...lockfile.packages, ...missingPlatforms(lockfile) });
  packages.sort(([left], [right]) => left.localeCompare(right, "en"));
  writeFileSync(
    path,
    `${JSON.stringify({ ...lockfile, packages: Object.fromEntries(packages) }, null, 2)}\n`,
  );
}
