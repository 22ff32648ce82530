/** Files of configuration as people name them: files, folders, standard input. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { holdsObjects } from "#model/object-files.ts";

export interface ConfigFile {
  /** As the user wrote it, or below the folder that he wrote. */
  readonly name: string;
  readonly text: string;
}

export interface UnreadableFile {
  readonly name: string;
  readonly problem: string;
}

export interface ReadFilesOptions {
  /** Also the folders in folders. */
  readonly recursive: boolean;
  readonly readStdin: () => string;
}

/** What every path holds, in the paths' order; a path that cannot be read is a value too. */
export function readConfigFiles(
  paths: readonly string[],
  options: ReadFilesOptions,
): readonly (ConfigFile | UnreadableFile)[] {
  return paths.flatMap((path) => readPath(path, options));
}

function readPath(
  path: string,
  options: ReadFilesOptions,
): readonly (ConfigFile | UnreadableFile)[] {
  if (path === "-") return [{ name: "<stdin>", text: options.readStdin() }];
  try {
    if (!statSync(path).isDirectory()) return [{ name: path, text: readFileSync(path, "utf8") }];
    const files = filesIn(path, options);
    if (files.length > 0) return files.flatMap((file) => readPath(file, options));
    const deeper = options.recursive ? "" : "; -R looks into its folders";
    return [{ name: path, problem: `holds no .yaml, .yml or .json file${deeper}` }];
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return [{ name: path, problem: `cannot be read: ${reason}` }];
  }
}

function filesIn(folder: string, options: ReadFilesOptions): readonly string[] {
  const entries = readdirSync(folder, { withFileTypes: true });
  return entries
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return options.recursive ? filesIn(path, options) : [];
      return holdsObjects(entry.name) ? [path] : [];
    });
}
