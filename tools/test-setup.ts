/** Installs what only tests need, and only for the suites that are about to run; quick when all is there. */
import { requireDebian } from "../testkit/debian.ts";
import { envoyPath } from "../testkit/envoy-binary.ts";
import type { SuiteName } from "./suites.ts";

export function prepareTests(names: readonly SuiteName[]): void {
  if (names.includes("parity")) {
    envoyPath();
  }
  if (names.includes("netns")) {
    requireDebian(["iproute2", "iptables"]);
  }
}
