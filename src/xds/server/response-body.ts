import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Resource } from "../resource.ts";
import type { Difference, ResourceSet } from "../resource-set.ts";
import type { ResourceType } from "../resource-type.ts";
import type { ResponseBody } from "./subscription.ts";

/** Field numbers of DiscoveryResponse, DeltaDiscoveryResponse, Resource and Any (envoy/service/discovery/v3/discovery.proto). */
const Field = {
  version: 1,
  resources: 2,
  typeUrl: 4,
  nonce: 5,
  removed: 6,
  sotwControlPlane: 6,
  deltaControlPlane: 7,
  resource: { version: 1, resource: 2, name: 3, ttl: 6 },
  any: { typeUrl: 1, value: 2 },
  controlPlane: { identifier: 1 },
  duration: { seconds: 1, nanos: 2 },
} as const;

const wrapperUrl = "type.googleapis.com/envoy.service.discovery.v3.Resource";

interface BodyOptions {
  readonly type: ResourceType;
  readonly target: ResourceSet;
  readonly difference: Difference;
}

const deltaBodies = new WeakMap<Difference, ResponseBody>();

/** The same difference for another client is the same bytes. */
export function deltaBody({
  type,
  target,
  difference,
  absent,
}: BodyOptions & { readonly absent: readonly string[] }): ResponseBody {
  const { changed, removed } = difference;
  // A difference without anything is one object for all sets.
  const shared = absent.length === 0 && changed.length + removed.length > 0;
  const known = shared ? deltaBodies.get(difference) : undefined;
  if (known !== undefined) return known;
  const body = encodeDelta(type, target.version, changed, [...removed, ...absent]);
  if (shared) deltaBodies.set(difference, body);
  return body;
}

function encodeDelta(
  type: ResourceType,
  version: string,
  resources: readonly Resource[],
  removed: readonly string[],
): ResponseBody {
  const writer = new BinaryWriter();
  writer.tag(Field.version, WireType.LengthDelimited).string(version);
  for (const resource of resources)
    writer.tag(Field.resources, WireType.LengthDelimited).bytes(wrapper(resource, true));
  writer.tag(Field.typeUrl, WireType.LengthDelimited).string(type.typeUrl);
  for (const name of removed) writer.tag(Field.removed, WireType.LengthDelimited).string(name);
  const bytes = writer.finish();
  return { version, bytes, resources: resources.length, removed: removed.length };
}

/** Resources without their content: their times to live begin anew. */
export function deltaHeartbeat(type: ResourceType, held: ResourceSet): ResponseBody {
  const writer = new BinaryWriter();
  writer.tag(Field.version, WireType.LengthDelimited).string(held.version);
  const resources = [...held.values()].filter(({ ttlMs }) => ttlMs !== undefined);
  for (const resource of resources)
    writer.tag(Field.resources, WireType.LengthDelimited).bytes(wrapper(resource, false));
  writer.tag(Field.typeUrl, WireType.LengthDelimited).string(type.typeUrl);
  const bytes = writer.finish();
  return { version: held.version, bytes, resources: resources.length, removed: 0 };
}

const sotwBodies = [
  new WeakMap<Difference, ResponseBody>(),
  new WeakMap<Difference, ResponseBody>(),
] as const;
const sotwWholes = [
  new WeakMap<ResourceSet, ResponseBody>(),
  new WeakMap<ResourceSet, ResponseBody>(),
] as const;

/** Complete types are sent whole, the others only what has changed of them. */
export function sotwBody({
  type,
  target,
  difference,
  wrapped,
}: BodyOptions & { readonly wrapped: boolean }): ResponseBody {
  const whole = type.complete;
  // Only what has a time to live goes into the wrapper.
  const form = wrapped && target.ttlMs !== undefined ? 1 : 0;
  const shared = target.size > 0;
  const known = whole ? sotwWholes[form].get(target) : sotwBodies[form].get(difference);
  if (shared && known !== undefined) return known;
  const resources = whole ? [...target.values()] : difference.changed;
  const body = encodeSotw(
    type,
    target.version,
    resources.map((one) => sotwAny(one, form === 1)),
  );
  if (shared && whole) sotwWholes[form].set(target, body);
  else if (shared && difference.changed.length > 0) sotwBodies[form].set(difference, body);
  return body;
}

export function sotwHeartbeat(type: ResourceType, held: ResourceSet): ResponseBody {
  const resources = [...held.values()].filter(({ ttlMs }) => ttlMs !== undefined);
  const empty = resources.map((resource) => any(wrapperUrl, wrapper(resource, false)));
  return encodeSotw(type, held.version, empty);
}

function encodeSotw(
  type: ResourceType,
  version: string,
  resources: readonly Uint8Array[],
): ResponseBody {
  const writer = new BinaryWriter();
  writer.tag(Field.version, WireType.LengthDelimited).string(version);
  for (const resource of resources)
    writer.tag(Field.resources, WireType.LengthDelimited).bytes(resource);
  writer.tag(Field.typeUrl, WireType.LengthDelimited).string(type.typeUrl);
  return { version, bytes: writer.finish(), resources: resources.length, removed: 0 };
}

function sotwAny(resource: Resource, wrapped: boolean): Uint8Array {
  return wrapped && resource.ttlMs !== undefined
    ? any(wrapperUrl, wrapper(resource, true))
    : any(resource.type.typeUrl, resource.bytes);
}

/** envoy.service.discovery.v3.Resource; without content it is a heartbeat. */
function wrapper(resource: Resource, content: boolean): Uint8Array {
  const field = Field.resource;
  const writer = new BinaryWriter();
  writer.tag(field.version, WireType.LengthDelimited).string(resource.version);
  if (content)
    writer
      .tag(field.resource, WireType.LengthDelimited)
      .bytes(any(resource.type.typeUrl, resource.bytes));
  writer.tag(field.name, WireType.LengthDelimited).string(resource.name);
  if (resource.ttlMs !== undefined)
    writer.tag(field.ttl, WireType.LengthDelimited).bytes(duration(resource.ttlMs));
  return writer.finish();
}

function any(typeUrl: string, value: Uint8Array): Uint8Array {
  return new BinaryWriter()
    .tag(Field.any.typeUrl, WireType.LengthDelimited)
    .string(typeUrl)
    .tag(Field.any.value, WireType.LengthDelimited)
    .bytes(value)
    .finish();
}

function duration(milliseconds: number): Uint8Array {
  const seconds = Math.floor(milliseconds / 1000);
  return new BinaryWriter()
    .tag(Field.duration.seconds, WireType.Varint)
    .int64(seconds)
    .tag(Field.duration.nanos, WireType.Varint)
    .int32(Math.round((milliseconds - seconds * 1000) * 1e6))
    .finish();
}

/** What is of the one response: protobuf fields come in any order, so it stands before the shared ones. */
export function responseHead(options: {
  readonly protocol: "sotw" | "delta";
  readonly nonce: string;
  readonly controlPlane: string;
}): Uint8Array {
  const { protocol, nonce, controlPlane } = options;
  const field = protocol === "sotw" ? Field.sotwControlPlane : Field.deltaControlPlane;
  return new BinaryWriter()
    .tag(Field.nonce, WireType.LengthDelimited)
    .string(nonce)
    .tag(field, WireType.LengthDelimited)
    .bytes(
      new BinaryWriter()
        .tag(Field.controlPlane.identifier, WireType.LengthDelimited)
        .string(controlPlane)
        .finish(),
    )
    .finish();
}
