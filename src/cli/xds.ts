/** `heddle xds`: what Pilot would send to a proxy, from files alone. */
import { type DescMessage, fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { Option } from "commander";
import { registry } from "#gen/registry.js";
import { type GeneratedXds, generateXds } from "#pilot/generate.ts";
import {
  clusterType,
  endpointType,
  listenerType,
  type ResourceType,
  routeType,
} from "#xds/resource-type.ts";
import { command, dataExit, examples, parseFlags } from "./flags.ts";
import { addProxyFlags, type ProxyFlags, readView } from "./offline/proxy-flags.ts";
import { printWarnings } from "./offline/warnings.ts";
import type { OfflineIo } from "./offline-io.ts";

interface XdsFlags extends ProxyFlags {
  readonly type: string;
}

/** In the order of the output. */
const types: readonly ResourceType[] = [listenerType, routeType, clusterType, endpointType];

/** The exit code. Problems are lines on standard output, as those of `heddle validate`. */
export function runXds(argv: readonly string[], io: OfflineIo): number {
  const { terminal } = io;
  const parser = addProxyFlags(command("xds", terminal))
    .description("Prints what Pilot would send to a proxy: xDS as proto JSON, from files alone.")
    .addOption(
      new Option("--type <type>", "which resources")
        .choices([...types.map(({ name }) => name), "all"])
        .default("all"),
    )
    .addOption(
      new Option("-o, --output <format>", "how to print it").choices(["json"]).default("json"),
    );
  examples(parser, [
    "heddle xds -f config/ --node 'sidecar~10.0.0.1~web-1.default~default.svc.cluster.local' --type rds",
  ]);
  const flags = parseFlags(parser, argv, { terminal, read: (parsed) => parsed.opts<XdsFlags>() });
  if (typeof flags === "number") return flags;
  const read = readView(flags, io);
  if ("problems" in read) {
    for (const problem of read.problems) terminal.stdout.write(`${problem}\n`);
    return dataExit;
  }
  const wanted = types.filter(({ name }) => flags.type === "all" || flags.type === name);
  const generated = generateXds(read.view);
  printWarnings(read.view, terminal);
  const output = Object.fromEntries(
    wanted.map((type) => [
      type.name,
      resourcesOf(type, generated).map((one) => canonical(type, one)),
    ]),
  );
  terminal.stdout.write(`${JSON.stringify(output, undefined, 2)}\n`);
  return 0;
}

function resourcesOf(type: ResourceType, generated: GeneratedXds): readonly object[] {
  switch (type) {
    case listenerType:
      return generated.listeners;
    case routeType:
      return generated.routes;
    case clusterType:
      return generated.clusters;
    default:
      return generated.endpoints;
  }
}

/** By way of the message itself, so that what is printed is what would be sent. */
function canonical(type: ResourceType, resource: object): JsonValue {
  const schema: DescMessage | undefined = registry.getMessage(type.message);
  if (schema === undefined) throw new Error(`no message type ${type.message}`);
  // Proof: generators write ProtoJSON, which is JSON.
  return toJson(schema, fromJson(schema, resource as JsonValue, { registry }), { registry });
}
