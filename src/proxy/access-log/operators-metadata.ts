import { refuse } from "#lib/config-error.ts";
import { plainText } from "../filter-state/objects.ts";
import type { Json, Metadata, StreamInfo } from "../stream-info.ts";
import { never, type Operator, type OperatorSpec, type OperatorTable } from "./operator.ts";
import { toByteString } from "./parse-format.ts";

type MetadataSource = (info: StreamInfo) => Metadata | undefined;

const sources: Readonly<Record<string, MetadataSource>> = {
  DYNAMIC: (info) => info.dynamicMetadata,
  CLUSTER: (info) => info.clusterMetadata,
  UPSTREAM_HOST: (info) => info.upstreamHost?.metadata,
  ROUTE: (info) => info.routeMetadata,
  LISTENER: (info) => info.downstream.listenerMetadata,
  VIRTUAL_HOST: (info) => info.virtualHostMetadata,
  LISTENER_FILTER_CHAIN: (info) => info.downstream.filterChainMetadata,
};

function metadataAt(source: MetadataSource, path: readonly string[]): Operator {
  const [namespace = "", ...keys] = path;
  return {
    kind: "json",
    read: (info) => {
      let value: Json | undefined = source(info)?.[namespace];
      for (const key of keys) {
        value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
      }
      return value === null ? undefined : value;
    },
  };
}

function isObject(value: Json | undefined): value is { readonly [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const metadata = (source: MetadataSource): OperatorSpec => ({
  parameter: "required",
  length: true,
  compile: (parameter) => metadataAt(source, parameter.split(":")),
});

function anyMetadata(parameter: string): Operator {
  const [type = "", ...path] = parameter.split(":");
  const source = sources[type];
  if (source === undefined) throw refuse("", `${type} is not supported in METADATA`);
  return metadataAt(source, path);
}

function filterState(parameter: string): Operator {
  const [key = "", form = "TYPED"] = parameter.split(":");
  if (form !== "PLAIN" && form !== "TYPED" && form !== "FIELD") {
    throw refuse("", `Invalid filter state serialize type, only support PLAIN/TYPED/FIELD.`);
  }
  return {
    kind: "string",
    untrusted: true,
    read: (info) => {
      const value = info.filterState?.get(key);
      if (value === undefined || value === null) return undefined;
      if (form === "FIELD") return undefined;
      const plain = form === "PLAIN" ? plainText(value) : undefined;
      return plain ?? typedText(value);
    },
  };
}

/** A message as JSON. A bare string is none: it has only its plain form. */
function typedText(value: unknown): string | undefined {
  if (typeof value === "string") return undefined;
  const json: string | undefined = JSON.stringify(value);
  return json === undefined ? undefined : toByteString(json);
}

export const metadataOperators: OperatorTable = {
  METADATA: { parameter: "required", length: true, compile: anyMetadata },
  DYNAMIC_METADATA: metadata((info) => info.dynamicMetadata),
  CLUSTER_METADATA: metadata((info) => info.clusterMetadata),
  UPSTREAM_METADATA: metadata((info) => info.upstreamHost?.metadata),
  FILTER_STATE: { parameter: "required", length: true, compile: filterState },
  UPSTREAM_FILTER_STATE: never("required"),
};
