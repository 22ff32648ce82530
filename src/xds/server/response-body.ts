import type { Resource } from "../resource.ts";
import { anyOf, bytesField, textField, wrapperHead } from "../resource-form.ts";
import type { Difference, ResourceSet } from "../resource-set.ts";
import type { ResourceType } from "../resource-type.ts";
import type { ResponseBody } from "./subscription.ts";

/** Field numbers of DiscoveryResponse and DeltaDiscoveryResponse (envoy/service/discovery/v3/discovery.proto). */
const Field = {
  version: 1,
  resources: 2,
  typeUrl: 4,
  nonce: 5,
  removed: 6,
  sotwControlPlane: 6,
  deltaControlPlane: 7,
  controlPlaneIdentifier: 1,
  /** Of the wrapper. */
  wrapperResource: 2,
} as const;

const wrapperUrl = "type.googleapis.com/envoy.service.discovery.v3.Resource";

interface BodyOptions {
  readonly type: ResourceType;
  readonly target: ResourceSet;
  readonly difference: Difference;
}

/** The same for another client is the same bytes, from the second time on: what only one client gets is not kept. */
class Encoded<K extends object> {
  readonly #bytes = new WeakMap<K, Uint8Array | "once">();

  get(key: K, encode: () => Uint8Array): Uint8Array {
    const known = this.#bytes.get(key);
    if (known instanceof Uint8Array) return known;
    const bytes = encode();
    this.#bytes.set(key, known === undefined ? "once" : bytes);
    return bytes;
  }
}

const deltaFields = new Encoded<Difference>();

export function deltaBody(
  options: BodyOptions & { readonly absent: readonly string[] },
): ResponseBody {
  const { type, target, difference, absent } = options;
  const removed = [...difference.removed, ...absent];
  const { version } = target;
  const pieces = [
    ...deltaPieces(difference),
    Buffer.concat([
      ...head(type, version),
      ...removed.flatMap((name) => textField(Field.removed, name)),
    ]),
  ];
  return { version, pieces, resources: difference.changedCount, removed: removed.length };
}

function deltaPieces(difference: Difference): readonly Uint8Array[] {
  const before = difference.base === undefined ? [] : deltaPieces(difference.base);
  if (difference.own.length === 0) return before;
  const encode = () => Buffer.concat(difference.own.map(({ deltaField }) => deltaField));
  return [...before, deltaFields.get(difference, encode)];
}

function head(type: ResourceType, version: string): readonly Uint8Array[] {
  return [...textField(Field.version, version), ...textField(Field.typeUrl, type.typeUrl)];
}

/** Resources without their content: their times to live begin anew. */
export function deltaHeartbeat(type: ResourceType, held: ResourceSet): ResponseBody {
  const { version } = held;
  const mortal = [...held.values()].filter(({ ttlMs }) => ttlMs !== undefined);
  const bytes = Buffer.concat([
    ...head(type, version),
    ...mortal.flatMap((one) =>
      bytesField(Field.resources, wrapperHead(one.name, one.version, one.ttlMs)),
    ),
  ]);
  return { version, pieces: [bytes], resources: mortal.length, removed: 0 };
}

const plainSets = new Encoded<ResourceSet>();
const wrappedSets = new Encoded<ResourceSet>();
const plainChanges = new Encoded<Difference>();
const wrappedChanges = new Encoded<Difference>();

/** Complete types are sent whole, the others only what has changed of them. */
export function sotwBody(options: BodyOptions & { readonly wrapped: boolean }): ResponseBody {
  const { type, target, difference, wrapped } = options;
  const { version } = target;
  const pieces = type.complete ? setPieces(target, wrapped) : changePieces(difference, wrapped);
  const resources = type.complete ? target.size : difference.changedCount;
  return {
    version,
    pieces: [...pieces, Buffer.concat([...head(type, version)])],
    resources,
    removed: 0,
  };
}

function setPieces(set: ResourceSet, wrapped: boolean): readonly Uint8Array[] {
  const before = set.base === undefined ? [] : setPieces(set.base, wrapped);
  const encoded = (wrapped ? wrappedSets : plainSets).get(set, () => sotwFields(set.own, wrapped));
  return encoded.length === 0 ? before : [...before, encoded];
}

function changePieces(difference: Difference, wrapped: boolean): readonly Uint8Array[] {
  const before = difference.base === undefined ? [] : changePieces(difference.base, wrapped);
  if (difference.own.length === 0) return before;
  const encoded = wrapped ? wrappedChanges : plainChanges;
  return [...before, encoded.get(difference, () => sotwFields(difference.own, wrapped))];
}

function sotwFields(resources: Iterable<Resource>, wrapped: boolean): Uint8Array {
  return Buffer.concat(
    [...resources].flatMap((one) =>
      bytesField(Field.resources, wrapped ? wrappedAny(one) : one.any),
    ),
  );
}

/** Only what has a time to live goes into the wrapper. */
function wrappedAny(resource: Resource): Uint8Array {
  const { name, version, ttlMs, any } = resource;
  if (ttlMs === undefined) return any;
  const content = [wrapperHead(name, version, ttlMs), ...bytesField(Field.wrapperResource, any)];
  return anyOf(wrapperUrl, Buffer.concat(content));
}

export function sotwHeartbeat(type: ResourceType, held: ResourceSet): ResponseBody {
  const { version } = held;
  const mortal = [...held.values()].filter(({ ttlMs }) => ttlMs !== undefined);
  const bytes = Buffer.concat([
    ...head(type, version),
    ...mortal.flatMap(({ name, version: own, ttlMs }) =>
      bytesField(Field.resources, anyOf(wrapperUrl, wrapperHead(name, own, ttlMs))),
    ),
  ]);
  return { version, pieces: [bytes], resources: mortal.length, removed: 0 };
}

/** What is of the one response: protobuf fields come in any order, so it stands before the shared ones. */
export function responseHead(options: {
  readonly protocol: "sotw" | "delta";
  readonly nonce: string;
  readonly controlPlane: string;
}): Uint8Array {
  const { protocol, nonce, controlPlane } = options;
  const field = protocol === "sotw" ? Field.sotwControlPlane : Field.deltaControlPlane;
  const identifier = Buffer.concat([...textField(Field.controlPlaneIdentifier, controlPlane)]);
  return Buffer.concat([...textField(Field.nonce, nonce), ...bytesField(field, identifier)]);
}
