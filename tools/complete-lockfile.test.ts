import assert from "node:assert/strict";
import { test } from "node:test";
import { missingPlatforms } from "./complete-lockfile.ts";

const packages = (optionalDependencies: Readonly<Record<string, string>>) => ({
  packages: {
    "node_modules/tool": { dev: true, optionalDependencies },
    "node_modules/@t/linux-x64": {},
  },
});

test("a platform's package that npm left out is written down with what keeps npm from fetching it", () => {
  const found = missingPlatforms(
    packages({
      "@t/linux-x64": "1.0.0",
      "@t/linux-x64-musl": "1.0.0",
      "@t/linux-armv7": "1.0.0",
      "@t/darwin-arm64": "1.0.0",
    }),
  );
  const common = { version: "1.0.0", dev: true, optional: true };
  assert.deepEqual(found, {
    "node_modules/@t/linux-x64-musl": { ...common, os: ["linux"], cpu: ["x64"], libc: ["musl"] },
    "node_modules/@t/linux-armv7": { ...common, os: ["linux"], cpu: ["arm"] },
    "node_modules/@t/darwin-arm64": { ...common, os: ["darwin"], cpu: ["arm64"] },
  });
});

test("other optional packages are left to npm", () => {
  assert.deepEqual(missingPlatforms(packages({ fsevents: "1.0.0" })), {});
});
