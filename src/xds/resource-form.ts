/** How a resource is written in discovery responses (envoy/service/discovery/v3/discovery.proto); one buffer holds all forms. */
import type { ResourceType } from "./resource-type.ts";

interface FormFields {
  readonly type: ResourceType;
  readonly name: string;
  readonly version: string;
  readonly bytes: Uint8Array;
  readonly ttlMs: number | undefined;
}

export interface ResourceForm {
  readonly any: Uint8Array;
  readonly deltaField: Uint8Array;
}

/** Tags of length-delimited fields. */
const Tag = {
  resources: tag(2),
  wrapper: { version: tag(1), resource: tag(2), name: tag(3), ttl: tag(6) },
  any: { typeUrl: tag(1), value: tag(2) },
} as const;

function tag(number: number): number {
  return (number << 3) | 2;
}

/** `resources: Resource { version, name, ttl, resource: Any { type_url, value } }`; the last part of each is the next. */
export function encodeForm({ type, name, version, bytes, ttlMs }: FormFields): ResourceForm {
  const typeUrl = Buffer.from(type.typeUrl);
  const before = wrapperHead(name, version, ttlMs);
  const anyHead = Buffer.concat([
    ...field(Tag.any.typeUrl, typeUrl),
    header(Tag.any.value, bytes.length),
  ]);
  const anyLength = anyHead.length + bytes.length;
  const resourceHead = header(Tag.wrapper.resource, anyLength);
  const wrapperLength = before.length + resourceHead.length + anyLength;
  const whole = Buffer.concat([
    header(Tag.resources, wrapperLength),
    before,
    resourceHead,
    anyHead,
    bytes,
  ]);
  return {
    deltaField: whole,
    any: whole.subarray(whole.length - anyLength),
  };
}

/** A `Resource` without content: its time to live begins anew. */
export function wrapperHead(name: string, version: string, ttlMs: number | undefined): Buffer {
  return Buffer.concat([
    ...field(Tag.wrapper.version, Buffer.from(version)),
    ...field(Tag.wrapper.name, Buffer.from(name)),
    ...(ttlMs === undefined ? [] : field(Tag.wrapper.ttl, duration(ttlMs))),
  ]);
}

/** A length-delimited field. */
export function field(tagByte: number, content: Uint8Array): readonly Uint8Array[] {
  return [header(tagByte, content.length), content];
}

export function textField(number: number, text: string): readonly Uint8Array[] {
  return field(tag(number), Buffer.from(text));
}

export function bytesField(number: number, content: Uint8Array): readonly Uint8Array[] {
  return field(tag(number), content);
}

export function anyOf(typeUrl: string, value: Uint8Array): Uint8Array {
  return Buffer.concat([
    ...field(Tag.any.typeUrl, Buffer.from(typeUrl)),
    ...field(Tag.any.value, value),
  ]);
}

function header(tagByte: number, length: number): Buffer {
  return Buffer.from([tagByte, ...varint(length)]);
}

function varint(value: number): readonly number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return bytes;
}

function duration(milliseconds: number): Uint8Array {
  const seconds = Math.floor(milliseconds / 1000);
  const nanos = Math.round((milliseconds - seconds * 1000) * 1e6);
  return Buffer.from([0x08, ...varint(seconds), 0x10, ...varint(nanos)]);
}
