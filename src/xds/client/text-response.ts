import type { JsonObject } from "@bufbuild/protobuf";
import type { LocatedProblem } from "#config/config-file-error.ts";
import type { DecodedBytes } from "#config/decode-bytes.ts";
import { readResources, type TextResource } from "#config/decode-resources.ts";
import { durationMs } from "#lib/duration.ts";
import type { ResourceProblem } from "../subscriber.ts";
import { type DecodeOptions, duplicates, resourceTypeUrl } from "./any-resource.ts";
import type { Incoming, IncomingResource } from "./incoming.ts";
import type { TypeState } from "./type-state.ts";

export interface TextIncoming extends Incoming {
  readonly unknownFields: number;
}

/** Throws ConfigFileError when the text is no DiscoveryResponse. */
export function readTextResponse(
  { type }: TypeState,
  { name, text }: { readonly name: string; readonly text: string },
  options: DecodeOptions,
): TextIncoming {
  const response = readResources(name, text, options);
  const { versionInfo: version, unknownFields } = response;
  const resources: IncomingResource[] = [];
  const invalid: ResourceProblem[] = [];
  for (const resource of response.resources) {
    const one = bare(resource, version);
    if (one.typeUrl === type.typeUrl) resources.push(one);
    else {
      const message = `${one.typeUrl} is not a ${type.message}`;
      invalid.push({ name: one.name, path: "", message });
    }
  }
  return {
    typeUrl: type.typeUrl,
    version,
    resources,
    removed: [],
    complete: type.complete,
    invalid: [...invalid, ...duplicates(resources.map((one) => one.name))],
    unknownFields,
  };
}

/** A resource may be in a wrapper that has its name, its version and its time to live. */
function bare(resource: TextResource, version: string): IncomingResource & { typeUrl: string } {
  const { typeUrl, json } = resource;
  if (typeUrl !== resourceTypeUrl) {
    const content = contentOf(json, resource);
    return { typeUrl, name: nameOf(json), version, ttlMs: undefined, content };
  }
  const { "@type": url = "", ...inner } = objectOf(json["resource"]);
  const { name = nameOf(inner), version: own = version, ttl } = json;
  return {
    typeUrl: String(url),
    name: String(name),
    version: String(own),
    ttlMs: typeof ttl === "string" ? durationMs(ttl) : undefined,
    content: contentOf(inner, resource),
  };
}

function objectOf(value: unknown): JsonObject {
  // Proof: the reader has made an object of every message.
  return (value ?? {}) as JsonObject;
}

function contentOf(json: JsonObject, resource: TextResource): IncomingResource["content"] {
  return { key: Buffer.from(JSON.stringify(json)), decode: () => checked(json, resource) };
}

function checked(json: JsonObject, resource: TextResource): DecodedBytes {
  const { invalid, unsupported } = resource.check();
  return {
    json,
    invalid: invalid.map(located),
    unsupported: unsupported.map(located),
    unknownFields: 0,
  };
}

/** A user finds it by its line. */
export function located({ file, line, column, path, message }: LocatedProblem): {
  path: string;
  message: string;
} {
  return { path: `${file}:${line}:${column}${path === "" ? "" : `: ${path}`}`, message };
}

/** Of endpoints it is called otherwise. */
function nameOf(json: JsonObject): string {
  const name = json["name"] ?? json["clusterName"];
  return typeof name === "string" ? name : "";
}
