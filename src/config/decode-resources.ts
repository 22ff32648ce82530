/** A DiscoveryResponse in YAML or JSON: a file of resources, or the answer of a REST server. */
import type { DescMessage, JsonObject, JsonValue } from "@bufbuild/protobuf";
import { checkMessage } from "./check.ts";
import { ConfigFileError, type LocatedProblem } from "./config-file-error.ts";
import { decodeMessage, type Origins } from "./decode.ts";
import type { BytesOptions } from "./decode-bytes.ts";
import { isObject } from "./merge.ts";
import { type Place, Problems, rootOf } from "./place.ts";
import { readSource } from "./source-text.ts";

export interface TextResource {
  readonly typeUrl: string;
  /** Canonical, without `@type`. */
  readonly json: JsonObject;
  /** Against the rules of the .proto files, and against what is supported. */
  check(): {
    readonly invalid: readonly LocatedProblem[];
    readonly unsupported: readonly LocatedProblem[];
  };
}

export interface TextResponse {
  readonly versionInfo: string;
  readonly typeUrl: string;
  readonly resources: readonly TextResource[];
  /** Fields that no message has: ignored, as in everything that comes from a control plane. */
  readonly unknownFields: number;
}

const responseType = "envoy.service.discovery.v3.DiscoveryResponse";

/** Throws ConfigFileError when it is no such message. `name` is how problems call it. */
export function readResources(name: string, text: string, options: BytesOptions): TextResponse {
  const source = readSource(name, text);
  if (source.unreadable.length > 0)
    throw new ConfigFileError(source.unreadable.map((one) => ({ file: name, path: "", ...one })));
  const message = messageOf(options, responseType);
  const problems = new Problems();
  const origins: Origins = new Map();
  const unknown = options.rejectUnknown === true ? undefined : { fields: 0 };
  const { registry } = options;
  const place = rootOf(source);
  const value = source.value ?? {};
  const decoded = decodeMessage({ registry, problems, origins, unknown }, message, value, place);
  problems.throwIfAny();
  const { versionInfo, typeUrl, resources } = isObject(decoded) ? decoded : {};
  return {
    versionInfo: text0(versionInfo),
    typeUrl: text0(typeUrl),
    resources: (Array.isArray(resources) ? resources : []).flatMap((one) =>
      isObject(one) ? resourceOf(one, { origins, options, place }) : [],
    ),
    unknownFields: unknown?.fields ?? 0,
  };
}

function text0(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}

function resourceOf(
  any: JsonObject,
  context: { readonly origins: Origins; readonly options: BytesOptions; readonly place: Place },
): TextResource {
  const { origins, options } = context;
  const { "@type": url, ...json } = any;
  const places = origins.get(any) ?? [context.place];
  origins.set(json, places);
  const typeUrl = text0(url);
  return {
    typeUrl,
    json,
    check() {
      const problems = new Problems();
      const unsupported = new Problems();
      const message = messageOf(options, typeUrl.slice(typeUrl.lastIndexOf("/") + 1));
      const { registry, supported } = options;
      const checking = { registry, problems, unsupported, origins, supported };
      checkMessage(checking, message, json, places[0] ?? context.place);
      return { invalid: problems.located, unsupported: unsupported.located };
    },
  };
}

function messageOf({ registry }: BytesOptions, typeName: string): DescMessage {
  const message = registry.getMessage(typeName);
  // Proof: decoding has found each type that an Any names.
  if (message === undefined) throw new Error(`no message type ${typeName}`);
  return message;
}
