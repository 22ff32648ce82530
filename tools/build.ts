/**
 * `npm run build`: plain JavaScript in dist. Types are not checked here: `npm run check` does, and a build must not wait for it.
 *
 * The build is made beside dist and then takes its place, so that nothing deleted lives on and no process that starts
 * meanwhile finds half of it.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = join(root, "dist");

main();

function main(): void {
  const fresh = mkdtempSync(join(root, "dist-"));
  try {
    const tsc = join(root, "node_modules/.bin/tsc");
    const options = ["-p", "tsconfig.build.json", "--outDir", fresh];
    const { status, error } = spawnSync(tsc, options, { cwd: root, stdio: "inherit" });
    if (status !== 0) {
      throw new Error("tsc failed", { cause: error });
    }
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
