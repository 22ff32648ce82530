import { create, createFileRegistry, type DescMethod, type DescService } from "@bufbuild/protobuf";
import {
  type BytesValue,
  BytesValueSchema,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  file_google_protobuf_wrappers,
} from "@bufbuild/protobuf/wkt";

/** A method of the service below, with its message types. */
export type EchoMethod = DescMethod & {
  readonly input: typeof BytesValueSchema;
  readonly output: typeof BytesValueSchema;
};

const method = (name: string, clientStreaming: boolean, serverStreaming: boolean) => ({
  name,
  inputType: ".google.protobuf.BytesValue",
  outputType: ".google.protobuf.BytesValue",
  clientStreaming,
  serverStreaming,
});

const file = create(FileDescriptorProtoSchema, {
  name: "heddle/test/echo.proto",
  package: "heddle.test",
  syntax: "proto3",
  dependency: ["google/protobuf/wrappers.proto"],
  service: [
    {
      name: "Echo",
      method: [
        method("Unary", false, false),
        method("ServerStream", false, true),
        method("ClientStream", true, false),
        method("Bidi", true, true),
      ],
    },
  ],
});

const service = createFileRegistry(
  create(FileDescriptorSetSchema, { file: [file_google_protobuf_wrappers.proto, file] }),
).getService("heddle.test.Echo");
if (service === undefined) throw new Error("the test service is not in its own registry");

/** All four kinds of call, on bytes. */
export const echoService: DescService = service;

function named(name: string): EchoMethod {
  const found = echoService.methods.find((candidate) => candidate.localName === name);
  if (found === undefined) throw new Error(`no method ${name}`);
  // Proof: every method above has these types.
  return found as EchoMethod;
}

export const echoMethods: Readonly<
  Record<"unary" | "serverStream" | "clientStream" | "bidi", EchoMethod>
> = {
  unary: named("unary"),
  serverStream: named("serverStream"),
  clientStream: named("clientStream"),
  bidi: named("bidi"),
};

export function bytes(value: string | Uint8Array): BytesValue {
  return create(BytesValueSchema, { value: Buffer.from(value) });
}
