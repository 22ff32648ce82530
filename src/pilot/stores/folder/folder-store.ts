import { type FSWatcher, watch } from "node:fs";
import type { Clock } from "#lib/clock.ts";
import { printObjectProblem, readObjects } from "#model/documents.ts";
import { type ConfigObject, objectKey } from "#model/object.ts";
import { sameObject } from "../../state/same-object.ts";
import {
  type ChangeRequest,
  type ConfigStore,
  type ObjectChange,
  ReadOnlyStoreError,
  type Revision,
} from "../store.ts";
import { Watchers } from "../watchers.ts";
import { findFiles, readText } from "./files.ts";

export interface FolderStoreOptions {
  /** Files and folders; of two files that have the same object the one named first counts. */
  readonly paths: readonly string[];
  readonly clock: Clock;
  /** All that is wrong now, one line each; empty: nothing is. Told when it changes. */
  readonly onProblems?: (problems: readonly string[]) => void;
  /** After the last sign of a change in the folder; 100 ms by default. */
  readonly quietMs?: number;
  /** Where the system gives no signs (network drives), it is looked; 5 s by default. */
  readonly lookEveryMs?: number;
}

/** A file as it was read last. */
interface KnownFile {
  readonly version: string;
  readonly objects: readonly ConfigObject[];
  readonly problems: readonly string[];
}

const revisionsMax = 1000;

/**
 * Objects in files that somebody edits. A file with a mistake changes nothing of what it held: its last good objects stay, and the mistakes
 * are told; at the start, when there is nothing to keep, its good objects count.
 */
export class FolderStore implements ConfigStore {
  readonly name = "folder";
  readonly writable = false;
  readonly #options: FolderStoreOptions;
  readonly #watchers: Watchers = new Watchers();
  readonly #signs: FSWatcher[] = [];
  readonly #revisions: Revision[] = [];
  #files: ReadonlyMap<string, KnownFile> = new Map();
  #objects: ReadonlyMap<string, ConfigObject> = new Map();
  #problems: readonly string[] = [];
  #revision = 0;
  #quiet: { cancel(): void } | undefined;
  #look: { cancel(): void } | undefined;

  constructor(options: FolderStoreOptions) {
    this.#options = options;
  }

  /** Reads everything, then follows what changes. */
  start(): void {
    // Before the first look: what changes in between gives a sign.
    for (const path of this.#options.paths) this.#follow(path);
    this.rescan();
    this.#lookLater();
  }

  get revision(): number {
    return this.#revision;
  }

  /** What is wrong in the files now. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  list(): readonly ConfigObject[] {
    return [...this.#objects.values()];
  }

  get(key: string): ConfigObject | undefined {
    return this.#objects.get(key);
  }

  change(_request: ChangeRequest): Revision {
    throw new ReadOnlyStoreError(
      `${this.#options.paths.join(", ")} is edited with an editor: change the files there`,
    );
  }

  history(limit: number): readonly Revision[] {
    return this.#revisions.slice(0, limit);
  }

  revisionAt(number: number): Revision | undefined {
    return this.#revisions.find((revision) => revision.number === number);
  }

  watch(onRevision: (revision: Revision) => void): () => void {
    return this.#watchers.add(onRevision);
  }

  close(): void {
    this.#quiet?.cancel();
    this.#look?.cancel();
    for (const watcher of this.#signs) watcher.close();
    this.#signs.length = 0;
    this.#watchers.clear();
  }

  /** Looks at every file now. */
  rescan(): void {
    const found = findFiles(this.#options.paths);
    const files = new Map<string, KnownFile>();
    for (const { path, version } of found.files) {
      const known = this.#files.get(path);
      files.set(path, known?.version === version ? known : this.#read(path, version, known));
    }
    this.#files = files;
    const problems = [...found.problems, ...[...files.values()].flatMap((file) => file.problems)];
    this.#adopt(merge(files, problems));
    this.#tell(problems);
  }

  #read(path: string, version: string, known: KnownFile | undefined): KnownFile {
    const read = readText(path);
    if ("problem" in read) {
      // It may be readable when it is looked at next.
      return { version: "", objects: known?.objects ?? [], problems: [read.problem] };
    }
    const { objects, problems } = readObjects(path, read.text);
    const keep = problems.length > 0 && known !== undefined;
    return {
      version,
      objects: keep ? known.objects : objects,
      problems: problems.map(printObjectProblem),
    };
  }

  #adopt(next: ReadonlyMap<string, ConfigObject>): void {
    const number = this.#revision + 1;
    const changes: ObjectChange[] = [];
    const objects = new Map<string, ConfigObject>();
    for (const [key, object] of next) {
      const before = this.#objects.get(key);
      if (before !== undefined && sameObject(before, object)) {
        objects.set(key, before);
        continue;
      }
      const metadata = { ...object.metadata, resourceVersion: String(number) };
      const after = { ...object, metadata };
      objects.set(key, after);
      changes.push({ key, before, after });
    }
    for (const [key, before] of this.#objects) {
      if (!next.has(key)) changes.push({ key, before, after: undefined });
    }
    if (changes.length > 0) this.#publish(number, changes, objects);
  }

  #publish(
    number: number,
    changes: readonly ObjectChange[],
    objects: ReadonlyMap<string, ConfigObject>,
  ): void {
    const message = this.#options.paths.join(", ");
    const timeMs = this.#options.clock.wallMs();
    const revision: Revision = { number, author: "", message, timeMs, changes };
    this.#objects = objects;
    this.#revision = number;
    this.#revisions.unshift(revision);
    this.#revisions.splice(revisionsMax);
    this.#watchers.tell(revision);
  }

  #tell(problems: readonly string[]): void {
    const before = this.#problems.join("\n");
    this.#problems = problems;
    if (problems.join("\n") !== before) this.#options.onProblems?.(problems);
  }

  #follow(path: string): void {
    try {
      const watcher = watch(path, { recursive: true, persistent: false }, () => this.#onSign());
      // A folder that goes away is found missing at the next look.
      watcher.on("error", () => this.#onSign());
      this.#signs.push(watcher);
    } catch {
      // No signs there, or nothing yet: it is looked at regularly.
    }
  }

  #onSign(): void {
    this.#quiet?.cancel();
    this.#quiet = this.#options.clock.after(this.#options.quietMs ?? 100, () => this.rescan());
  }

  #lookLater(): void {
    this.#look = this.#options.clock.after(this.#options.lookEveryMs ?? 5000, () => {
      this.rescan();
      this.#lookLater();
    });
  }
}

/** Of an object that several files have, the first one's counts, and the others are a problem. */
function merge(
  files: ReadonlyMap<string, KnownFile>,
  problems: string[],
): ReadonlyMap<string, ConfigObject> {
  const merged = new Map<string, ConfigObject>();
  for (const { objects } of files.values()) {
    for (const object of objects) {
      const key = objectKey(object);
      const first = merged.get(key);
      if (first === undefined) merged.set(key, object);
      else problems.push(`${placeOf(object)} ${key}: is already in ${placeOf(first)}`);
    }
  }
  return merged;
}

function placeOf({ source }: ConfigObject): string {
  if (source === undefined) return "?";
  const { line, column } = source.positionOf([]);
  return `${source.name}:${line}:${column}`;
}
