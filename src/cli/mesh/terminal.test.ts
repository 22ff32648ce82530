import assert from "node:assert/strict";
import { test } from "node:test";
import { colorful, Lines, type Terminal } from "./terminal.ts";

function terminal(environment: Terminal["environment"], isTTY: boolean) {
  const written = { stdout: "", stderr: "" };
  const sink = (name: keyof typeof written) => ({
    isTTY,
    write: (text: string) => {
      written[name] += text;
    },
  });
  return { terminal: { stdout: sink("stdout"), stderr: sink("stderr"), environment }, written };
}

test("lines have the name of who says them, in a column; what we say goes to standard error", () => {
  const { terminal: plain, written } = terminal({}, false);
  const lines = new Lines(plain, ["web-v1", "store-v10"]);
  lines.program("web-v1", "hello", "stdout");
  lines.program("store-v10", "oops", "stderr");
  lines.event("web-v1", "died\nis back");
  assert.equal(written.stdout, "web-v1    | hello\n");
  assert.equal(written.stderr, "store-v10 | oops\nweb-v1    | died\nweb-v1    | is back\n");
});

test("a terminal gets colours, each name its own", () => {
  const { terminal: colored, written } = terminal({ TERM: "xterm" }, true);
  const lines = new Lines(colored, ["a", "b"]);
  lines.program("a", "1", "stdout");
  lines.program("b", "2", "stdout");
  assert.equal(written.stdout, "\u001b[36ma      |\u001b[0m 1\n\u001b[35mb      |\u001b[0m 2\n");
});

test("colours: asked for, refused, or as the terminal is", () => {
  const tty = { isTTY: true, write: () => {} };
  const pipe = { isTTY: false, write: () => {} };
  assert.equal(colorful(tty, {}), true);
  assert.equal(colorful(tty, { NO_COLOR: "1" }), false);
  assert.equal(colorful(tty, { NO_COLOR: "" }), true);
  assert.equal(colorful(tty, { TERM: "dumb" }), false);
  assert.equal(colorful(pipe, {}), false);
  assert.equal(colorful(pipe, { FORCE_COLOR: "1" }), true);
  assert.equal(colorful(pipe, { FORCE_COLOR: "1", NO_COLOR: "1" }), false);
});
