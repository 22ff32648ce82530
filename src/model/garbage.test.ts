import { test } from "node:test";
import { fuzzNodes, fuzzSpecs, fuzzTexts } from "../../testkit/object-fuzzing.ts";

// Few inputs of a fixed seed; documents.fuzz.ts has many.
const options = { inputs: 300, seed: 20_261_121 };

test("any text is objects or problems", () => fuzzTexts(options));

test("any spec of any kind is an object or problems", () => fuzzSpecs(options));

test("any node id and metadata is a node or problems", () => fuzzNodes(options));
