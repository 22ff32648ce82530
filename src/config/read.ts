/** Files and texts → checked canonical ProtoJSON. Runs in load-worker.ts, because the descriptors need memory. */
import { readFileSync } from "node:fs";
import { extname } from "node:path";
import { type DescMessage, fromBinary, type JsonObject, toJson } from "@bufbuild/protobuf";
import { registry } from "#gen/registry.js";
import { checkMessage, type SupportedFields } from "./check.ts";
import { ConfigFileError } from "./config-file-error.ts";
import { decodeMessage, type Origins } from "./decode.ts";
import { isObject, mergeMessages } from "./merge.ts";
import { type Place, Problems, rootOf } from "./place.ts";
import { readSource, type SourceText, sourceWithoutText } from "./source-text.ts";

/** A file, or a text with the name that problems shall give it. */
export type Input = { readonly file: string } | { readonly name: string; readonly text: string };

export interface ReadOptions {
  readonly typeName: string;
  /** Each is merged over those before it. */
  readonly inputs: readonly Input[];
  readonly supported: SupportedFields | undefined;
}

export function readMessage({ typeName, inputs, supported }: ReadOptions): JsonObject {
  const message = registry.getMessage(typeName);
  if (message === undefined) throw new Error(`no message type ${typeName}`);
  const problems = new Problems();
  const origins: Origins = new Map();
  let merged: JsonObject | undefined;
  let place: Place | undefined;
  for (const input of inputs) {
    const source = readInput(input, message);
    place ??= rootOf(source);
    const object = decodeSource(message, source, { problems, origins });
    if (object === undefined) continue;
    merged = merged === undefined ? object : mergeMessages(message, merged, object, origins);
  }
  if (merged !== undefined && place !== undefined) {
    checkMessage({ registry, problems, origins, supported }, message, merged, place);
  }
  problems.throwIfAny();
  return merged ?? {};
}

function decodeSource(
  message: DescMessage,
  source: SourceText,
  { problems, origins }: { readonly problems: Problems; readonly origins: Origins },
): JsonObject | undefined {
  if (source.unreadable.length > 0) {
    throw new ConfigFileError(
      source.unreadable.map((error) => ({ file: source.name, path: "", ...error })),
    );
  }
  const place = rootOf(source);
  if (source.value === undefined) {
    problems.add(place, "the file is empty");
    return undefined;
  }
  const decoded = decodeMessage({ registry, problems, origins }, message, source.value, place);
  return isObject(decoded) ? decoded : undefined;
}

export function readInput(input: Input, message: DescMessage): SourceText {
  if ("text" in input) return readSource(input.name, input.text);
  const bytes = readBytes(input.file);
  switch (extname(input.file)) {
    case ".pb":
      return sourceWithoutText(
        input.file,
        toJson(message, decodeBytes(input.file, message, bytes), { registry }),
      );
    case ".pb_text":
      throw unreadable(input.file, "protobuf's text format is not supported; write YAML or JSON");
    default:
      return readSource(input.file, bytes.toString("utf8"));
  }
}

function decodeBytes(
  file: string,
  message: DescMessage,
  bytes: Uint8Array,
): ReturnType<typeof fromBinary> {
  try {
    return fromBinary(message, bytes);
  } catch (error) {
    throw unreadable(file, `is not a binary ${message.typeName}: ${String(error)}`);
  }
}

function readBytes(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw unreadable(file, `cannot be read: ${error instanceof Error ? error.message : error}`);
  }
}

function unreadable(file: string, message: string): ConfigFileError {
  return new ConfigFileError([{ file, line: 1, column: 1, path: "", message }]);
}
