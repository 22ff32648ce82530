import { readdirSync, readFileSync, type Stats, statSync } from "node:fs";
import { basename, join } from "node:path";
import { holdsObjects } from "#model/object-files.ts";

export const filesMax = 10_000;
const depthMax = 16;

/** A file, and what tells that it is another one now. */
export interface FoundFile {
  readonly path: string;
  readonly version: string;
}

export interface FoundFiles {
  readonly files: readonly FoundFile[];
  /** Places that could not be looked into, and why. */
  readonly problems: readonly string[];
}

/** All YAML and JSON files of files and folders, by name. Hidden ones are left out: editors and Kubernetes keep theirs there. */
export function findFiles(paths: readonly string[]): FoundFiles {
  const files: FoundFile[] = [];
  const problems: string[] = [];
  const visit = (path: string, depth: number): void => {
    const stats = statOf(path, problems);
    if (stats === undefined) return;
    if (!stats.isDirectory()) {
      if (files.length < filesMax) files.push({ path, version: versionOf(stats) });
      else if (files.length === filesMax) problems.push(`${path}: more than ${filesMax} files`);
      return;
    }
    if (depth > depthMax) {
      problems.push(`${path}: folders in folders, more than ${depthMax}`);
      return;
    }
    for (const name of namesIn(path, problems)) {
      if (holdsObjects(name) || isFolder(join(path, name))) visit(join(path, name), depth + 1);
    }
  };
  for (const path of paths) visit(path, 0);
  return { files, problems };
}

/** Hidden ones are somebody else's (.git). */
const isFolder = (path: string): boolean =>
  !basename(path).startsWith(".") &&
  statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

function namesIn(path: string, problems: string[]): readonly string[] {
  try {
    return readdirSync(path).sort();
  } catch (error) {
    problems.push(`${path}: cannot be read: ${reasonOf(error)}`);
    return [];
  }
}

function statOf(path: string, problems: string[]): Stats | undefined {
  try {
    return statSync(path);
  } catch (error) {
    problems.push(`${path}: cannot be read: ${reasonOf(error)}`);
    return undefined;
  }
}

/** A file that was replaced by another of the same size and time has another inode. */
const versionOf = ({ ino, size, mtimeMs }: Stats): string => `${ino} ${size} ${mtimeMs}`;

export type ReadFile = { readonly text: string } | { readonly problem: string };

const fileBytesMax = 64 * 1024 * 1024;

export function readText(path: string): ReadFile {
  try {
    const { size } = statSync(path);
    if (size > fileBytesMax) return { problem: `${path}: is larger than ${fileBytesMax} bytes` };
    return { text: readFileSync(path, "utf8") };
  } catch (error) {
    return { problem: `${path}: cannot be read: ${reasonOf(error)}` };
  }
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : `${error}`);
