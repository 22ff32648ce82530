import { hash } from "node:crypto";
import { type DescMessage, fromJson, type JsonValue, toBinary } from "@bufbuild/protobuf";
import { registry } from "#gen/registry.js";
import { encodeForm, type ResourceForm } from "./resource-form.ts";
import type { ResourceType } from "./resource-type.ts";

/** A generated object is not what its type says: a fault of the generator. */
export class ResourceError extends Error {
  readonly type: ResourceType;
  readonly resource: string;

  constructor(type: ResourceType, resource: string, reason: string, cause?: unknown) {
    super(`${type.name} resource ${JSON.stringify(resource)}: ${reason}`, { cause });
    this.name = "ResourceError";
    this.type = type;
    this.resource = resource;
  }
}

interface ResourceFields {
  readonly type: ResourceType;
  readonly name: string;
  readonly version: string;
  readonly object: object;
  /** The encoded message. */
  readonly bytes: Uint8Array;
  readonly ttlMs: number | undefined;
}

/** A named thing of a type, as it goes to clients. */
export class Resource {
  readonly type: ResourceType;
  readonly name: string;
  /** Another one when the content is another. */
  readonly version: string;
  /** Canonical ProtoJSON. */
  readonly object: object;
  /** After so long without a word of it the client drops it; undefined: never. */
  readonly ttlMs: number | undefined;
  readonly #bytes: Uint8Array;
  /** Of the field of a delta response, which holds all other forms; made when the resource is first sent. */
  #form: ResourceForm | undefined;

  constructor(fields: ResourceFields) {
    this.type = fields.type;
    this.name = fields.name;
    this.version = fields.version;
    this.object = fields.object;
    this.ttlMs = fields.ttlMs;
    this.#bytes = fields.bytes;
  }

  #encoded(): ResourceForm {
    const { type, name, version, ttlMs } = this;
    this.#form ??= encodeForm({ type, name, version, ttlMs, bytes: this.#bytes });
    return this.#form;
  }

  /** The encoded message. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** The encoded message in an `Any`. */
  get any(): Uint8Array {
    return this.#encoded().any;
  }

  /** The whole field `resources` of a DeltaDiscoveryResponse. */
  get deltaField(): Uint8Array {
    return this.#encoded().deltaField;
  }
}

const nothing = new Uint8Array(0);

/** What a client says that it has: a version of a name. */
export function heldResource(type: ResourceType, name: string, version: string): Resource {
  return new Resource({ type, name, version, object: {}, bytes: nothing, ttlMs: undefined });
}

const versionDigits = 16;
const sweepMin = 4096;

/**
 * Makes resources of generated objects. An object is encoded once, and so are objects of equal content, whoever made them: what
 * many kinds of proxies have in common exists once.
 */
export class ResourcePool {
  readonly #byObject = new WeakMap<object, Resource>();
  readonly #byContent = new Map<string, WeakRef<Resource>>();
  #sweepAt = sweepMin;
  /** Objects encoded so far. */
  encoded = 0;

  /** Throws ResourceError. */
  of(
    type: ResourceType,
    object: object,
    { ttlMs }: { readonly ttlMs?: number | undefined } = {},
  ): Resource {
    const known = this.#byObject.get(object);
    if (known !== undefined && known.type === type && known.ttlMs === ttlMs) return known;
    const resource = this.#byText(type, object, ttlMs);
    this.#byObject.set(object, resource);
    return resource;
  }

  #byText(type: ResourceType, object: object, ttlMs: number | undefined): Resource {
    const digest = hash("sha1", JSON.stringify(object));
    const key = `${type.name}/${digest}/${ttlMs ?? ""}`;
    const known = this.#byContent.get(key)?.deref();
    if (known !== undefined) return known;
    const name = resourceName(type, object);
    const version = digest.slice(0, versionDigits);
    const made = new Resource({ type, name, version, object, bytes: encode(type, object), ttlMs });
    this.encoded++;
    this.#byContent.set(key, new WeakRef(made));
    if (this.#byContent.size >= this.#sweepAt) this.#sweep();
    return made;
  }

  #sweep(): void {
    for (const [key, resource] of this.#byContent)
      if (resource.deref() === undefined) this.#byContent.delete(key);
    this.#sweepAt = Math.max(sweepMin, 2 * this.#byContent.size);
  }
}

/** The field that is a resource's name in subscriptions. Throws ResourceError when it has none. */
export function resourceName(type: ResourceType, object: object): string {
  const name: unknown = Reflect.get(object, type.nameField);
  if (typeof name === "string" && name !== "") return name;
  throw new ResourceError(type, "", `${type.message} without ${type.nameField}`);
}

function encode(type: ResourceType, object: object): Uint8Array {
  try {
    // Proof: an object of canonical ProtoJSON is a JSON value; what is not is found out here.
    const message = fromJson(schemaOf(type), object as JsonValue, { registry });
    return toBinary(schemaOf(type), message);
  } catch (cause) {
    throw notEncoded(type, object, cause);
  }
}

function notEncoded(type: ResourceType, object: object, cause: unknown): ResourceError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new ResourceError(type, resourceName(type, object), reason, cause);
}

function schemaOf(type: ResourceType): DescMessage {
  const schema = registry.getMessage(type.message);
  if (schema === undefined) throw new Error(`no message ${type.message} in src/gen`);
  return schema;
}
