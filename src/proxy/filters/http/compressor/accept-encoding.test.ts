import assert from "node:assert/strict";
import { test } from "node:test";
import { type Candidate, chooseEncoding } from "./accept-encoding.ts";

const gzip: Candidate = { encoding: "gzip", chooseFirst: false };
const br: Candidate = { encoding: "br", chooseFirst: false };
const choice = (accepted: string, ...candidates: readonly Candidate[]): string => {
  const { encoding, because } = chooseEncoding(accepted, candidates);
  return `${encoding} ${because}`;
};

test("the highest weight wins, and the first of equals", () => {
  assert.equal(choice("gzip;q=0.5, br;q=0.7", gzip, br), "br named");
  assert.equal(choice("gzip, br", gzip, br), "gzip named");
  assert.equal(choice("br, gzip", gzip, br), "br named");
  assert.equal(choice("br, gzip", { ...gzip, chooseFirst: true }, br), "gzip named");
  assert.equal(choice("*;q=0.9, gzip;q=0.8", br, gzip), "br wildcard");
  assert.equal(choice("identity;q=1, gzip;q=0.9", gzip), "identity identity");
});

test("what is not acceptable is no choice", () => {
  assert.equal(choice("gzip;q=0, *", gzip), "identity invalid");
  assert.equal(choice("gzip;q=0, *", gzip, br), "br wildcard");
  assert.equal(choice("gzip;q=0.000", gzip), "identity invalid");
  assert.equal(choice("deflate", gzip), "identity invalid");
  assert.equal(choice("", gzip), "identity invalid");
  assert.equal(choice("gzip"), "identity invalid");
});

test("a weight that is no number takes its coding away; other parameters are nothing", () => {
  assert.equal(choice("gzip;q=high", gzip), "identity invalid");
  assert.equal(choice("gzip;level=9", gzip), "gzip named");
  assert.equal(choice(" gzip ; Q = .5 ", gzip), "gzip named");
  assert.equal(choice("gzip;q=-1", gzip), "identity invalid");
});

test("a field of a thousand codings is read", () => {
  assert.equal(choice(`${"a;q=0.1,".repeat(1000)}gzip`, gzip), "gzip named");
});
