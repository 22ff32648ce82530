import { it } from "node:test";
import { fuzzNodes, fuzzSpecs, fuzzTexts } from "../../testkit/object-fuzzing.ts";

const inputs = 20_000;

it("any text is objects or problems", () => fuzzTexts({ inputs }));

it("any spec of any kind is an object or problems", () => fuzzSpecs({ inputs }));

it("any node id and metadata is a node or problems", () => fuzzNodes({ inputs }));
