import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import type { Any, Duration } from "@bufbuild/protobuf/wkt";
import { type BytesOptions, type DecodedBytes, decodeBytes } from "#config/decode-bytes.ts";
import { type Resource, ResourceSchema } from "#gen/envoy/service/discovery/v3/discovery_pb.js";
import type { ResourceType } from "../resource-type.ts";
import type { ResourceProblem } from "../subscriber.ts";
import type { Content, IncomingResource } from "./incoming.ts";

export type DecodeOptions = BytesOptions;

export type Read = { readonly resource: IncomingResource } | { readonly problem: ResourceProblem };

export const resourceTypeUrl = "type.googleapis.com/envoy.service.discovery.v3.Resource";

/** A resource in a SotW answer: bare, or in a wrapper with a name, a version and a TTL of its own. */
export function readAny(
  type: ResourceType,
  any: Any,
  version: string,
  options: DecodeOptions,
): Read {
  if (any.typeUrl !== resourceTypeUrl) return readBare(type, { any, version }, options);
  let wrapper: Resource;
  try {
    wrapper = fromBinary(ResourceSchema, any.value);
  } catch (error) {
    return refused("", `is not a ${ResourceSchema.typeName}: ${String(error)}`);
  }
  return readWrapped(type, wrapper, { version, options });
}

/** A resource of a delta answer, or a wrapper in a SotW one. */
export function readWrapped(
  type: ResourceType,
  wrapper: Resource,
  { version, options }: { readonly version: string; readonly options: DecodeOptions },
): Read {
  const named = { version: wrapper.version === "" ? version : wrapper.version };
  const ttlMs = wrapper.ttl === undefined ? undefined : milliseconds(wrapper.ttl);
  const { name, resource } = wrapper;
  if (resource === undefined) {
    return { resource: { name, ...named, ttlMs, content: undefined } };
  }
  const read = readBare(type, { any: resource, ...named }, options);
  if ("problem" in read) {
    return name === "" ? read : { problem: { ...read.problem, name } };
  }
  return { resource: { ...read.resource, name: name === "" ? read.resource.name : name, ttlMs } };
}

function readBare(
  type: ResourceType,
  { any, version }: { readonly any: Any; readonly version: string },
  options: DecodeOptions,
): Read {
  const { typeUrl, value } = any;
  if (typeUrl !== type.typeUrl) {
    return refused("", `${typeUrl} in an answer whose type_url is ${type.typeUrl}`);
  }
  const content = contentOf(type, value, options);
  return { resource: { name: nameIn(value), version, ttlMs: undefined, content } };
}

/** A message without its `Any`. */
export function contentOf(type: ResourceType, key: Uint8Array, options: DecodeOptions): Content {
  return { key, decode: () => decodeResource(type, key, options) };
}

function decodeResource(
  type: ResourceType,
  bytes: Uint8Array,
  options: DecodeOptions,
): DecodedBytes {
  const message = options.registry.getMessage(type.message);
  if (message === undefined) throw new Error(`no message type ${type.message}`);
  return decodeBytes(message, bytes, options);
}

function refused(name: string, message: string): Read {
  return { problem: { name, path: "", message } };
}

/** The name is the first field of each resource type. Empty when the bytes are not readable: decoding says why. */
function nameIn(bytes: Uint8Array): string {
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [number, wireType] = reader.tag();
      if (number === 1) return reader.string();
      reader.skip(wireType, number);
    }
  } catch {
    return "";
  }
  return "";
}

function milliseconds({ seconds, nanos }: Duration): number {
  return Number(seconds) * 1000 + nanos / 1e6;
}

/** A name may come once; Envoy refuses the whole answer otherwise. */
export function duplicates(names: Iterable<string>): readonly ResourceProblem[] {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) twice.add(name);
    seen.add(name);
  }
  return [...twice].map((name) => ({ name, path: "", message: "comes twice in one answer" }));
}
