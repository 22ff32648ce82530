import { readConfigFiles } from "../config-files.ts";
import type { OfflineIo } from "../offline-io.ts";

export type ReadJson = { readonly value: unknown } | { readonly problem: string };

/** A file of JSON, or standard input (`-`). */
export function readJsonFile(path: string, { readStdin }: OfflineIo): ReadJson {
  const [file] = readConfigFiles([path], { recursive: false, readStdin });
  if (file === undefined) return { problem: `${path}: holds nothing` };
  if ("problem" in file) return { problem: `${file.name}: ${file.problem}` };
  try {
    return { value: JSON.parse(file.text) };
  } catch (error) {
    return { problem: `${file.name}: ${error instanceof Error ? error.message : String(error)}` };
  }
}
