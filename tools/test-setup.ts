/** Installs what only tests need, and only for the suites that are about to run; quick when all is there. */
import { requireDebian } from "../testkit/debian.ts";
import { envoyPath } from "../testkit/envoy-binary.ts";
import type { SuiteName } from "./suites.ts";

/** Returns the variables that tell the tests where it is. */
export function prepareTests(names: readonly SuiteName[]): Readonly<Record<string, string>> {
  if (names.includes("netns")) {
    requireDebian(["iproute2", "iptables"]);
  }
  const compares = names.includes("parity") || names.includes("netns");
  return compares ? { HEDDLE_ENVOY: envoyPath() } : {};
}
