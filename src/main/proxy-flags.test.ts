import assert from "node:assert/strict";
import { test } from "node:test";
import { type FlagsExit, type ProxyFlags, parseProxyFlags } from "./proxy-flags.ts";

function flags(...argv: string[]): ProxyFlags {
  const parsed = parseProxyFlags(argv);
  assert.ok(!("exit" in parsed), "exit" in parsed ? parsed.output : "");
  return parsed;
}

function exits(...argv: string[]): FlagsExit {
  const parsed = parseProxyFlags(argv);
  assert.ok("exit" in parsed, "the flags were accepted");
  return parsed;
}

test("the defaults are Envoy's", () => {
  const { mode, drainTimeMs, parentShutdownTimeMs, logLevel, fileFlushIntervalMs } = flags(
    "-c",
    "a",
  );
  assert.equal(mode, "serve");
  assert.equal(drainTimeMs, 600_000);
  assert.equal(parentShutdownTimeMs, 900_000);
  assert.equal(logLevel, "info");
  assert.equal(fileFlushIntervalMs, 10_000);
});

test("flags are read with a space and with =", () => {
  const read = flags("--config-path=a.yaml", "--concurrency", "0", "-l", "warn");
  assert.equal(read.configPath, "a.yaml");
  assert.equal(read.concurrency, 1);
  assert.equal(read.logLevel, "warning");
  const levels = flags("--config-yaml", "{}", "--component-log-level", "a:debug,b:off");
  assert.deepEqual(
    [...levels.componentLogLevels],
    [
      ["a", "debug"],
      ["b", "off"],
    ],
  );
});

for (const [argv, message] of [
  [[], /at least one of --config-path or --config-yaml is needed/],
  [["-c"], /argument missing/],
  [["-c", "a", "--bogus"], /unknown option '--bogus'/],
  [["-c", "a", "extra"], /too many arguments/],
  [["-c", "a", "--mode", "bogus"], /Allowed choices are serve, validate, init_only/],
  [["-c", "a", "--concurrency", "-1"], /whole number/],
  [["-c", "a", "-l", "loud"], /It is none of trace/],
  [["-c", "a", "--restart-epoch", "1"], /--restart-epoch is not supported: hot restart/],
  [["-c", "a", "--stats-tag", "pod"], /"pod" is not like name:value/],
  [["-c", "a", "--stats-tag", "a:1", "--stats-tag", "a:2"], /"a" is there already/],
  [
    ["-c", "a", "--allow-unknown-static-fields"],
    /Heddle refuses unknown fields of files everywhere/,
  ],
  [["-c", "a", "--allow-unknown-fields"], /Heddle refuses unknown fields of files everywhere/],
] as const) {
  test(`usage: ${argv.join(" ")}`, () => {
    const { exit, stream, output } = exits(...argv);
    assert.deepEqual([exit, stream], [64, "stderr"]);
    assert.match(output, message);
  });
}

test("what changes nothing is accepted", () => {
  const read = flags(
    ..."-c a --restart-epoch 0 --use-dynamic-base-id --disable-hot-restart --skip-deprecated-logs".split(
      " ",
    ),
    ..."--cpuset-threads --socket-path @x --socket-mode 600".split(" "),
  );
  assert.equal(read.configPath, "a");
});

test("the level of the component main is the log's", () => {
  assert.equal(flags("-c", "a", "--component-log-level", "misc:error").logLevel, "info");
  assert.equal(flags("-c", "a", "--component-log-level", "main:debug").logLevel, "debug");
});

test("--stats-tag may be given again", () => {
  const { statsTags } = flags("-c", "a", "--stats-tag", "pod:a-b", "--stats-tag", "zone:eu:1");
  assert.deepEqual(
    [...statsTags],
    [
      ["pod", "a-b"],
      ["zone", "eu:1"],
    ],
  );
});

test("--hot-restart-version needs no configuration", () => {
  const { exit, stream, output } = exits("--hot-restart-version");
  assert.deepEqual([exit, stream, output], [0, "stdout", "disabled\n"]);
});

test("help goes to stdout", () => {
  const { exit, stream, output } = exits("--help");
  assert.deepEqual([exit, stream], [0, "stdout"]);
  assert.match(output, /--config-path/);
});
