/**
 * `npm run build`: plain JavaScript in dist. Types are not checked here: `npm run check` does, and a build must not wait for it.
 *
 * Modules are bundled: three hundred of them cost a waiting sidecar nine megabytes (docs/decisions/bundle.md). Packages and the generated
 * messages stay outside.
 *
 * The build is made beside dist and then takes its place, so that nothing deleted lives on and no process that starts
 * meanwhile finds half of it.
 */
import { chmodSync, cpSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = join(root, "dist");

/** Files that a process or a thread starts with, by their place in dist; all else lies in chunks beside them. */
const entryPoints: Readonly<Record<string, string>> = {
  "main/heddle": "src/main/heddle.ts",
  "main/proxy-worker": "src/main/proxy-worker.ts",
  // Named from where the proxy's own chunk lies: see src/proxy/configuration.ts.
  "main/config/load-process": "src/proxy/config/load-process.ts",
};

await main();

async function main(): Promise<void> {
  const fresh = mkdtempSync(join(root, "dist-"));
  // As npm install leaves folders: who may read the package may run it.
  chmodSync(fresh, 0o755);
  try {
    await build({
      absWorkingDir: root,
      entryPoints: { ...entryPoints },
      outdir: fresh,
      chunkNames: "main/[name]-[hash]",
      bundle: true,
      splitting: true,
      format: "esm",
      platform: "node",
      target: "node22",
      // The runtime keeps the source of what it runs, and doubles it for a single character beyond Latin-1: comments have such.
      minifyWhitespace: true,
      lineLimit: 200,
      packages: "external",
      // A name that begins with # is resolved by package.json's "imports" at run time, too.
      external: ["#gen/*"],
      logLevel: "warning",
    });
    // The generated messages are JavaScript already.
    cpSync(join(root, "src/gen"), join(fresh, "gen"), { recursive: true });
    const old = mkdtempSync(join(root, "dist-"));
    moveIfPresent(dist, join(old, "dist"));
    renameSync(fresh, dist);
    rmSync(old, { recursive: true, force: true });
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

function moveIfPresent(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch {
    // The first build finds nothing to move.
  }
}
