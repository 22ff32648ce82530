/** The last good resources on disk, for a start while the control plane is away. */
import { createHash } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock } from "#lib/clock.ts";
import type { Log } from "../subscriber.ts";

export interface SavedResource {
  readonly name: string;
  readonly version: string;
  /** The message, without its `Any`. */
  readonly bytes: Uint8Array;
}

/** By type URL. */
export type SavedTypes = ReadonlyMap<string, readonly SavedResource[]>;

const format = "heddle-xds-resources";
/** Another number when an older Heddle could not read the file. */
const formatVersion = 1;

/** Whom the resources are for, and the sum of all that follows. */
interface Header {
  readonly format: string;
  readonly version: number;
  readonly node: string;
  readonly sha256: string;
}

interface SavedType {
  readonly typeUrl: string;
  readonly resources: readonly {
    readonly name: string;
    readonly version: string;
    readonly value: string;
  }[];
}

/** A line that says what it is, and a line with the resources. */
export function encodeSaved(node: string, types: SavedTypes): string {
  const saved: readonly SavedType[] = [...types].map(([typeUrl, resources]) => ({
    typeUrl,
    resources: resources.map(({ name, version, bytes }) => ({
      name,
      version,
      value: Buffer.from(bytes).toString("base64"),
    })),
  }));
  const body = JSON.stringify(saved);
  const header: Header = { format, version: formatVersion, node, sha256: sumOf(body) };
  return `${JSON.stringify(header)}\n${body}\n`;
}

/** What was saved for the node, or why it is of no use. */
export function decodeSaved(
  node: string,
  text: string,
): { readonly types: SavedTypes } | { readonly reason: string; readonly foreign?: true } {
  const end = text.indexOf("\n");
  const header = parse(text.slice(0, Math.max(0, end))) as Partial<Header> | undefined;
  if (header?.format !== format) return { reason: "it is no file of saved resources" };
  if (header.version !== formatVersion) {
    return { reason: `its format is ${header.version}, and ${formatVersion} is known` };
  }
  if (header.node !== node)
    return { reason: `it was saved for the node '${header.node}'`, foreign: true };
  const body = text.slice(end + 1).trimEnd();
  if (sumOf(body) !== header.sha256) return { reason: "it is damaged" };
  // Proof: the sum says that it is what encodeSaved has written.
  const saved = (parse(body) ?? []) as readonly SavedType[];
  const types = saved.map(({ typeUrl, resources }): [string, readonly SavedResource[]] => [
    typeUrl,
    resources.map(({ name, version, value }) => ({
      name,
      version,
      bytes: Buffer.from(value, "base64"),
    })),
  ]);
  return { types: new Map(types) };
}

function sumOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export interface SavedFileOptions {
  readonly path: string;
  /** Of the node whose resources these are. */
  readonly node: string;
  readonly clock: Clock;
  readonly log: Log;
  /** What is there now. */
  readonly current: () => SavedTypes;
  /** More is not saved, and said; 64 MiB by default. */
  readonly bytesMax?: number;
}

/** A change is written when there was none for so long, and no later than `writeAtMostMs` after it. */
const quietMs = 1000;
const writeAtMostMs = 10_000;

/** Writes what is good now, some time after it has changed; whole files only. */
export class SavedFile {
  readonly #options: SavedFileOptions;
  #timer: { cancel(): void } | undefined;
  /** Of the first change that is not written. */
  #changedMs: number | undefined;
  #writing: Promise<void> = Promise.resolve();
  #complained = false;

  constructor(options: SavedFileOptions) {
    this.#options = options;
  }

  changed(): void {
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    this.#changedMs ??= nowMs;
    this.#timer?.cancel();
    const leftMs = this.#changedMs + writeAtMostMs - nowMs;
    this.#timer = clock.after(Math.max(0, Math.min(quietMs, leftMs)), () => void this.flush());
  }

  /** Resolves when all changes are written, or have failed to be. */
  flush(): Promise<void> {
    this.#timer?.cancel();
    if (this.#changedMs !== undefined) {
      this.#changedMs = undefined;
      this.#writing = this.#writing.then(() => this.#write());
    }
    return this.#writing;
  }

  /** Undefined: nothing was saved, or nothing that can be used. */
  async read(): Promise<SavedTypes | undefined> {
    const { path, node, log } = this.#options;
    let text: string;
    try {
      text = await readFile(path, "utf8");
    } catch (error) {
      if (!isAbsent(error)) log("warn", `xds: ${path} cannot be read: ${reasonOf(error)}`);
      return undefined;
    }
    const decoded = decodeSaved(node, text);
    if ("types" in decoded) return decoded.types;
    // A proxy may have another name than the one before it: nothing is wrong then.
    log(decoded.foreign ? "info" : "warn", `xds: ${path} is not used: ${decoded.reason}`);
    return undefined;
  }

  async #write(): Promise<void> {
    const { path, node, current, bytesMax = 64 * 1024 * 1024 } = this.#options;
    const text = encodeSaved(node, current());
    if (Buffer.byteLength(text) > bytesMax) {
      this.#complain(`the resources have more than ${bytesMax} bytes`);
      return;
    }
    const part = `${path}.part`;
    try {
      await mkdir(dirname(path), { recursive: true });
      // Nobody else's business: what a mesh looks like is worth knowing to an attacker.
      const file = await open(part, "w", 0o600);
      try {
        await file.writeFile(text);
        // Otherwise the name may be there before the bytes when the machine loses power.
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(part, path);
      this.#complained = false;
    } catch (error) {
      await rm(part, { force: true }).catch(() => {});
      this.#complain(reasonOf(error));
    }
  }

  /** Once is enough for as long as it goes on. */
  #complain(reason: string): void {
    const { path, log } = this.#options;
    log(this.#complained ? "debug" : "warn", `xds: ${path} cannot be written: ${reason}`);
    this.#complained = true;
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
