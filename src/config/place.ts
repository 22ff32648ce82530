import { ConfigFileError, type LocatedProblem } from "./config-file-error.ts";
import type { SourceText } from "./source-text.ts";

/** Where a value was written: a step of the path, from the root of one text. */
export interface Place {
  readonly source: SourceText;
  readonly parent: Place | undefined;
  /** A field as the file spells it, a map's key, or a list's index. */
  readonly key: string | number;
}

/** More than anyone reads; a file of another format would otherwise print a line for each of its keys. */
const problemsMax = 500;

/** Gathers problems, so that a user sees all of them at once. */
export class Problems {
  readonly located: LocatedProblem[] = [];

  add(place: Place, message: string, at: "key" | "value" = "value"): void {
    if (this.located.length >= problemsMax) return;
    const keys = keysOf(place);
    const { line, column } = place.source.positionOf(keys, at);
    const path = formatPath(keys);
    this.located.push({ file: place.source.name, line, column, path, message });
  }

  throwIfAny(): void {
    if (this.located.length > 0) throw new ConfigFileError(this.located);
  }
}

export function rootOf(source: SourceText): Place {
  return { source, parent: undefined, key: "" };
}

export function below(parent: Place, key: string | number): Place {
  return { source: parent.source, parent, key };
}

export function keysOf(place: Place): readonly (string | number)[] {
  const keys: (string | number)[] = [];
  for (let at: Place | undefined = place; at?.parent !== undefined; at = at.parent) {
    keys.unshift(at.key);
  }
  return keys;
}

export function formatPath(keys: readonly (string | number)[]): string {
  let path = "";
  for (const key of keys) {
    if (typeof key === "number") path += `[${key}]`;
    else if (/^[\w$@-]+$/.test(key)) path += path === "" ? key : `.${key}`;
    else path += `[${JSON.stringify(key)}]`;
  }
  return path;
}

/** The reverse of formatPath, for problems that are found after the file was read. */
export function parsePath(path: string): readonly (string | number)[] {
  const keys: (string | number)[] = [];
  for (const [step] of path.matchAll(/\[\d+\]|\["(?:[^"\\]|\\.)*"\]|[^.[\]]+/g)) {
    if (step.startsWith('["')) keys.push(String(JSON.parse(step.slice(1, -1))));
    else if (step.startsWith("[")) keys.push(Number(step.slice(1, -1)));
    else keys.push(step);
  }
  return keys;
}
