import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";

/** A mesh that runs on this machine, as other commands find it. */
export interface RunningMesh {
  readonly pid: number;
  /** `host:port` of xDS. */
  readonly xds: string;
  /** URL of the configuration's API. */
  readonly api: string;
}

const fileName = "mesh.json";
export const stateFolderName = ".heddle";

/** Where commands that are given no address look, whatever folder they are started in: the mesh that was started last. */
function lastStarted(): string {
  return join(userFolder(), fileName);
}

/** Of this user's processes on this machine: gone after a restart of the machine, which is how long they live. */
export function userFolder(): string {
  return join(tmpdir(), `heddle-${userInfo().username.replace(/[^\w.-]/g, "_")}`);
}

export function announceMesh(stateFolder: string, mesh: RunningMesh): () => void {
  const files = [join(stateFolder, fileName), lastStarted()];
  for (const file of files) {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, `${JSON.stringify(mesh)}\n`);
  }
  return () => {
    // Another one may have been started since.
    for (const file of files) if (read(file)?.pid === mesh.pid) rmSync(file, { force: true });
  };
}

/** The mesh of this folder or of one above it, else the one that was started last; undefined: none runs. */
export function findMesh(folder: string): RunningMesh | undefined {
  for (let at = folder; ; at = dirname(at)) {
    const found = read(join(at, stateFolderName, fileName));
    if (found !== undefined) return found;
    if (dirname(at) === at) return read(lastStarted());
  }
}

function read(file: string): RunningMesh | undefined {
  try {
    const mesh: unknown = JSON.parse(readFileSync(file, "utf8"));
    if (!isMesh(mesh)) return undefined;
    process.kill(mesh.pid, 0);
    return mesh;
  } catch {
    // No file, or of a process that is gone.
    return undefined;
  }
}

function isMesh(value: unknown): value is RunningMesh {
  if (typeof value !== "object" || value === null) return false;
  const { pid, xds, api } = value as Readonly<Record<string, unknown>>; // an object has fields
  return typeof pid === "number" && typeof xds === "string" && typeof api === "string";
}
