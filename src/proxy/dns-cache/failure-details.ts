/** What c-ares says, with the codes that Node gives its errors. */
const texts: Readonly<Record<string, string>> = {
  ENODATA: "DNS server returned answer with no data",
  EFORMERR: "DNS server claims query was misformatted",
  ESERVFAIL: "DNS server returned general failure",
  ENOTFOUND: "Domain name not found",
  ENOTIMP: "DNS server does not implement requested operation",
  EREFUSED: "DNS server refused query",
  EBADNAME: "Misformatted domain name",
  EBADRESP: "Misformatted DNS reply",
  ECONNREFUSED: "Could not contact DNS servers",
  ETIMEOUT: "Timeout while contacting DNS servers",
};

export interface FailureDetails {
  /** For response code details. */
  readonly details: string;
  /** The question was answered: there is no such address. */
  readonly answered: boolean;
}

export function failureDetails(error: unknown): FailureDetails {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const answered = code === "ENODATA" || code === "ENOTFOUND";
  const text = (texts[code] ?? (code || "unknown error")).replaceAll(" ", "_");
  return { details: `${answered ? "cares_norecords" : "cares_failure"}:${text}`, answered };
}

/** An address of a family that is not wanted. */
export const wrongFamily = "cares_failure:Misformatted_domain_name";
