/** Parts for tests of the xDS protocols, without a stream. */
import { create, fromJson, type JsonObject, toBinary } from "@bufbuild/protobuf";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import { registry } from "#gen/registry.js";
import type { ResourceType } from "#xds/resource-type.ts";

/** A resource as a server sends it. */
export function anyOf(type: ResourceType, json: object): Any {
  const message = registry.getMessage(type.message);
  if (message === undefined) throw new Error(`no message type ${type.message}`);
  // Proof: fromJson refuses what is no ProtoJSON.
  const value = toBinary(message, fromJson(message, json as JsonObject, { registry }));
  return create(AnySchema, { typeUrl: type.typeUrl, value });
}

/** One turn of the microtasks after another, until all that is under way without sockets and timers is done. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
