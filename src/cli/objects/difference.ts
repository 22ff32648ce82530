import { diff } from "node:util";
import { stringify } from "yaml";
import { colorful, type Sink, type Terminal } from "../mesh/terminal.ts";
import type { ApiChange, ApiObject } from "./api-client.ts";

/** Equal lines around what differs. */
const contextLines = 3;

/** An object as its author would write it: without what the store adds. */
export function manifest(object: ApiObject): object {
  const {
    creationTimestamp: _time,
    resourceVersion: _version,
    generation: _generation,
    ...metadata
  } = object.metadata;
  const { status: _status, ...rest } = object;
  return { ...rest, metadata };
}

export function manifestText(object: ApiObject | undefined): string {
  return object === undefined ? "" : stringify(manifest(object), { lineWidth: 0 });
}

type Piece = { readonly sign: " " | "-" | "+"; readonly text: string };

/** The unified difference of two texts, without headers; empty when they are the same. */
export function unified(before: string, after: string): readonly string[] {
  const pieces = diff(linesOf(before), linesOf(after)).map(
    // -1: only in the second, as node:util has it.
    ([side, text]): Piece => ({ sign: side === 0 ? " " : side === -1 ? "+" : "-", text }),
  );
  const near = pieces.map((_piece, index) =>
    pieces
      .slice(Math.max(0, index - contextLines), index + contextLines + 1)
      .some(({ sign }) => sign !== " "),
  );
  const lines: string[] = [];
  let skipped = false;
  for (const [index, { sign, text }] of pieces.entries()) {
    if (near[index] !== true) {
      skipped = lines.length > 0;
      continue;
    }
    if (skipped) lines.push("  ⋯");
    skipped = false;
    lines.push(`${sign} ${text}`);
  }
  return lines;
}

function linesOf(text: string): string[] {
  return text === "" ? [] : text.replace(/\n$/, "").split("\n");
}

const colors: Readonly<Record<string, number>> = { "+": 32, "-": 31 };

/** What a change does to an object, for people. */
export function printChange(
  { key, action, before, after }: ApiChange,
  { stdout: sink, environment }: Pick<Terminal, "stdout" | "environment">,
): void {
  const color = colorful(sink, environment);
  print(sink, `${action} ${key}`, color ? 1 : undefined);
  for (const text of unified(manifestText(before), manifestText(after)))
    print(sink, text, color ? colors[text[0] ?? ""] : undefined);
}

function print(sink: Sink, text: string, color: number | undefined): void {
  sink.write(color === undefined ? `${text}\n` : `\u001b[${color}m${text}\u001b[0m\n`);
}
