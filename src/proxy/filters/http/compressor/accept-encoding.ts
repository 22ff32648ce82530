/** What the client's Accept-Encoding comes to: a content coding of ours, and why. */
export interface Choice {
  readonly encoding: string;
  readonly because: "named" | "wildcard" | "identity" | "invalid";
}

/** A compressor that may take the response. */
export interface Candidate {
  readonly encoding: string;
  readonly chooseFirst: boolean;
}

const identity: Choice = { encoding: "identity", because: "identity" };
const invalid: Choice = { encoding: "identity", because: "invalid" };

/**
 * RFC 9110 §12.5.3, as Envoy reads it: the highest weight wins; among equals the client's first, unless a later one is to be chosen first.
 * `candidates` in the order of the chain: "*" takes the first.
 */
export function chooseEncoding(accepted: string, candidates: readonly Candidate[]): Choice {
  const weights = parse(accepted);
  const ours = firstOfEach(candidates).filter(
    ({ encoding }) => !weights.some(({ coding, weight }) => weight === 0 && coding === encoding),
  );
  const [first] = ours;
  if (first === undefined) return invalid;
  let best: Weight = { coding: "identity", weight: 0 };
  for (const offer of weights) {
    const candidate = ours.find(({ encoding }) => encoding === offer.coding);
    if (candidate === undefined && offer.coding !== "identity" && offer.coding !== "*") continue;
    const isBetter = offer.weight > best.weight;
    if (isBetter || (offer.weight === best.weight && candidate?.chooseFirst === true)) best = offer;
  }
  if (best.weight === 0) return invalid;
  if (best.coding === "identity") return identity;
  if (best.coding === "*") return { encoding: first.encoding, because: "wildcard" };
  return { encoding: best.coding, because: "named" };
}

/** Several compressors of one coding count as the first of them. */
function firstOfEach(candidates: readonly Candidate[]): readonly Candidate[] {
  return candidates.filter(
    ({ encoding }, index) => candidates.findIndex((other) => other.encoding === encoding) === index,
  );
}

interface Weight {
  readonly coding: string;
  readonly weight: number;
}

const number = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

function parse(accepted: string): readonly Weight[] {
  const weights: Weight[] = [];
  for (const token of accepted.split(",")) {
    if (token === "") continue;
    const [coding = "", ...parameters] = token.split(";");
    const parameter = parameters.join(";");
    const equals = parameter.indexOf("=");
    let weight = 1;
    if (equals >= 0 && parameter.slice(0, equals).trim().toLowerCase() === "q") {
      const text = parameter.slice(equals + 1).trim();
      if (!number.test(text)) continue;
      weight = Number(text);
    }
    weights.push({ coding: coding.trim(), weight });
  }
  return weights;
}
